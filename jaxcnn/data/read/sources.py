"""From what a run names to its data: training, validation and test split of a data set, none of them decoded yet."""

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxcnn.addresses import absolute
from jaxcnn.data.catalog import CATALOG, DatasetInfo, dataset_info
from jaxcnn.data.catalog.imagenet import names_of_synsets
from jaxcnn.data.read.copies import of_copy
from jaxcnn.data.read.crops import FITS
from jaxcnn.data.read.dataset import Dataset
from jaxcnn.data.read.folder import open_folder
from jaxcnn.data.read.hold import hold
from jaxcnn.data.read.labels import MOST_CLASSES, as_names
from jaxcnn.data.read.probe import probe
from jaxcnn.data.read.records import (
    ArraySource,
    PairSource,
    Source,
    Subset,
    check_labels,
    check_two_classes,
    make_source,
)
from jaxcnn.data.read.remarks import of_division
from jaxcnn.data.read.split import Split, cut, part_count
from jaxcnn.data.read.store import PreparedSource, open_any, open_prepared
from jaxcnn.errors import UserError, check_word
from jaxcnn.ranges import at_least, check_whole

ARRAYS, FOLDER = "arrays", "folder"
"""Names of data sets that are given by a program, and that are a folder of images."""
SPLITS = ("train", "val", "test")
VALIDATION = 0.1
"""The part of the training split that is set apart where nobody says."""
_SIDE = 224
"""Of what a network sees, where images differ in size and nobody says, in pixels."""


def open_dataset(
    name: str,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    validation: float | None = None,
    test: float | None = None,
    seed: int = 0,
) -> Dataset:
    """Returns a data set by name: one of the catalog, "folder", or else any that tensorflow-datasets prepared.

    Args:
        name: of the data set.
        data_dir: the folder of images; else that of all prepared data sets, None: $TFDS_DATA_DIR, else
            ~/tensorflow_datasets.
        validation: as in `divide`.
        test: as in `divide`.
        seed: as in `divide`.

    Raises:
        UserError: for a data set that is unknown, not prepared or damaged, or a setting that makes no sense.
    """
    dataset = _distributed(name, data_dir)
    if names := () if dataset.class_ids else names_of_synsets(dataset.class_names):
        dataset = dataclasses.replace(dataset, class_names=names, class_ids=dataset.class_names)
    return divide(dataset, validation=validation, test=test, seed=seed)


def array_dataset(
    data: Any, *, name: str = ARRAYS, validation: float | None = None, test: float | None = None, seed: int = 0
) -> Dataset:
    """Returns the data set that research code holds in memory, or reads by itself.

    Args:
        data: by split, "train" and any of "val" and "test": (images, labels) or a random-access source, as of
            `data.read.records.make_source`; and "class_names" if they have names, texts by label. Without those there
            are as many classes as the largest label says, called "0", "1", ... Images are as large as the first of
            "train"; where that is larger than 224 x 224, and comes from a source, all count as photographs that differ
            in size.
        name: what messages and the run card call it.
        validation: as in `divide`.
        test: as in `divide`.
        seed: as in `divide`.

    Raises:
        UserError: for anything else, or a setting that makes no sense.
    """
    if not isinstance(data, Mapping) or "train" not in data or not data.keys() <= {*SPLITS, "class_names"}:
        raise UserError(
            'data must be a dict of "train" and any of "val" and "test", each (images, labels) or a source, and '
            '"class_names" if they have names'
        )
    sources = {split: make_source(f'data["{split}"]', data[split]) for split in SPLITS if split in data}
    names = as_names(data.get("class_names"))
    for split, source in sources.items():
        check_labels(f"{name}, {split}", source, len(names) or MOST_CLASSES)
    shape = _shape(sources["train"])
    for split, source in sources.items():
        if isinstance(source, ArraySource) and source.shape[-1] > shape[-1]:
            raise UserError(f"{name}, {split}: the images are in colour, where those of train are grey")
    dataset = Dataset(
        name=name,
        sources=sources,
        class_names=names or tuple(map(str, range(max(int(source.labels.max()) for source in sources.values()) + 1))),
        shape=shape,
        alike=all(isinstance(source, ArraySource) and source.shape[:2] == shape[:2] for source in sources.values()),
        image_size=min(shape[0] or _SIDE, shape[1] or _SIDE),
    )
    return divide(dataset, validation=validation, test=test, seed=seed)


def divide(dataset: Dataset, *, validation: float | None, test: float | None, seed: int) -> Dataset:
    """Returns the data set with the splits "train", "val" and "test". What is cut off is a part of every class alike.

    Args:
        dataset: as distributed.
        validation: how much of the training split to set apart, a fraction below 1 or else a number of examples; None:
            as the catalog says, else the validation split as distributed, else a tenth.
        test: how much of the training split is the test split, always the same examples; None: the test split as
            distributed, else the validation split.
        seed: chooses the validation examples, except where the catalog fixes them and `validation` is None.

    Raises:
        UserError: for a label that no class has, training examples of a single class, or a setting that makes no sense.
    """
    sources = dict(dataset.sources)
    for split, source in sources.items():
        check_labels(f"{dataset.name}, {split}", source, len(dataset.class_names))
    if test is not None:
        if "test" in sources:
            raise UserError(f"data.test is {test:g}: {dataset.name} has a test split, so leave it out")
        sources["train"], sources["test"] = _cut(sources["train"], "data.test", test, seed=0)
    elif "test" not in sources:
        if "val" not in sources:
            raise UserError(f"{dataset.name} has no test split: data.test must say how much of train to take, as 0.2")
        sources["test"] = sources.pop("val")
    if validation is not None or "val" not in sources:
        part = next(part for part in (validation, dataset.validation, VALIDATION) if part is not None)
        fixed = dataset.fixed_validation and validation is None
        cut_off = _cut(sources["train"], "data.validation", part, seed=None if fixed else seed)
        sources["train"], sources["val"] = cut_off
    sources = {split: sources[split] for split in SPLITS}
    check_two_classes(dataset.name, sources["train"], dataset.class_names)
    said = of_division(dataset.sources, validation=validation is not None, test=test is not None)
    return dataclasses.replace(dataset, sources=sources, remarks=(*dataset.remarks, *said))


def load_splits(
    name: str,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    image_size: int | None = None,
    fit: str = "crop",
    validation: float | None = None,
    test: float | None = None,
    seed: int = 0,
) -> dict[str, Split]:
    """Returns the splits "train", "val" and "test" of a data set in memory, as evaluation sees them.

    Args:
        name: of the data set, as in `open_dataset`.
        data_dir: likewise.
        image_size: side in pixels of the squares that images become; None: as of `Dataset.square`.
        fit: how images that are not square become squares: "crop", "pad" or "stretch".
        validation: as in `divide`.
        test: as in `divide`.
        seed: as in `divide`.

    Raises:
        UserError: for a data set that is unknown, not prepared or damaged, or a setting that makes no sense.
    """
    if image_size is not None:
        check_whole("image_size", image_size, at_least(1))
    check_word("fit", fit, FITS)
    dataset = open_dataset(name, data_dir=data_dir, validation=validation, test=test, seed=seed)
    crop = dataset.square(image_size, fit=fit)
    return {split: hold(source, crop).split for split, source in dataset.sources.items()}


def _distributed(name: str, data_dir: str | os.PathLike[str] | None) -> Dataset:
    if name == FOLDER:
        return _folder(data_dir)
    if name not in CATALOG and name not in {info.tfds_name for info in CATALOG.values()}:
        anyset, info, unlabelled = open_any(name, data_dir)
        return dataclasses.replace(_stored(info, anyset), unlabelled=unlabelled)
    info = dataset_info(name)
    if info.archive is None:
        return described(info, _digits(info))
    prepared, found = open_prepared(info, data_dir)
    missing = {split: dict(part) for split, part in (found.partial or {}).items() if part["examples"] < part["of"]}
    return dataclasses.replace(_stored(info, prepared), partial=missing or None)


def _folder(data_dir: str | os.PathLike[str] | None) -> Dataset:
    found = open_folder(data_dir)
    levels, seen = probe(found.splits)
    return Dataset(
        name=FOLDER,
        sources={split: dataclasses.replace(source, levels=levels) for split, source in found.splits.items()},
        class_names=found.class_names,
        dir=absolute("data.dir", data_dir) if data_dir else None,
        shape=(None, None, 3),
        image_size=_SIDE,
        upright=True,
        levels=levels,
        remarks=(*found.remarks, *seen),
    )


def _stored(info: DatasetInfo, sources: Mapping[str, PreparedSource]) -> Dataset:
    """Returns a prepared data set, with what says where it lies."""
    origin, place = sources["train"].origin, sources["train"].place.absolute()
    remarks = (of_copy(origin, place),) if origin else ()
    return dataclasses.replace(described(info, sources), dir=origin or str(place), remarks=remarks)


def _shape(source: ArraySource | PairSource) -> tuple[int | None, int | None, int]:
    """Returns (height, width, channels) of what a program gives, as a `Dataset` has it."""
    if source.shape is None:
        return None, None, 3
    height, width, channels = source.shape
    photographs = isinstance(source, PairSource) and min(height, width) > _SIDE
    return (None, None, channels) if photographs else (height, width, channels)


def described(info: DatasetInfo, sources: Mapping[str, Source]) -> Dataset:
    """Returns the data set, as distributed, that the catalog describes."""
    return Dataset(
        name=info.name,
        sources=sources,
        class_names=info.class_names,
        class_ids=info.class_ids,
        shape=info.shape,
        image_size=info.image_size,
        validation=info.validation or None,
        fixed_validation=info.fixed_validation,
        mean=info.mean,
        std=info.std,
        statistics=f"of the catalog, {info.statistics}",
    )


def _cut(source: Source, key: str, part: float, *, seed: int | None) -> tuple[Source, Source]:
    rest, taken = cut(source.labels, part_count(key, part, len(source.labels)), seed=seed)
    return Subset(source, rest), Subset(source, taken)


def _digits(info: DatasetInfo) -> dict[str, Source]:
    """Returns scikit-learn's digits with our own test split: equally spaced examples of each digit, fixed for good.

    The 17 grey levels become 0 to 255, rounded; neighbours in the file are by the same writers, who so appear in every
    split.
    """
    from sklearn.datasets import load_digits  # imported on use: it takes a second

    digits = load_digits()
    image = ((digits.images.astype(np.int32) * 255 + 8) // 16).astype(np.uint8)[..., None]
    everything = ArraySource(image, digits.target.astype(np.int32))
    train, test = cut(everything.labels, info.examples["test"], seed=None)
    return {"train": Subset(everything, train), "test": Subset(everything, test)}

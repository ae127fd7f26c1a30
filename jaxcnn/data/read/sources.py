"""Opens the data of a run by name: the training, validation and test split of a data set. Nothing is decoded yet."""

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
"""Names of data sets that a program passes, and of a folder of images."""
SPLITS = ("train", "val", "test")
VALIDATION = 0.1
"""Default fraction of the training split that becomes the validation split."""
_SIDE = 224
"""Default size in pixels of the square that a net gets, if images differ in size."""


def open_dataset(
    name: str,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    validation: float | None = None,
    test: float | None = None,
    seed: int = 0,
) -> Dataset:
    """Returns a data set by name: one of the catalog, "folder", or any other that tensorflow-datasets prepared.

    Args:
        name: of the data set.
        data_dir: the folder of images, or that of all prepared data sets; None for $TFDS_DATA_DIR or else
            ~/tensorflow_datasets.
        validation: as in `divide`.
        test: as in `divide`.
        seed: as in `divide`.

    Raises:
        UserError: for a data set that is unknown, not prepared or damaged, or a setting that makes no sense.
    """
    return divide(open_distributed(name, data_dir), validation=validation, test=test, seed=seed)


def open_distributed(name: str, data_dir: str | os.PathLike[str] | None = None, *, needed: str = "train") -> Dataset:
    """Returns a data set with the splits that it is distributed with; arguments and errors as `open_dataset`.

    `needed` is the split that a folder of images must have. It may then lack "train".
    """
    dataset = _distributed(name, data_dir, needed)
    if names := () if dataset.class_ids else names_of_synsets(dataset.class_names):
        dataset = dataclasses.replace(dataset, class_names=names, class_ids=dataset.class_names)
    return dataset


def array_dataset(
    data: Any, *, name: str = ARRAYS, validation: float | None = None, test: float | None = None, seed: int = 0
) -> Dataset:
    """Returns a data set of arrays in memory, or of random-access sources.

    Args:
        data: by split, "train" and any of "val" and "test", (images, labels) or a random-access source, as
            `data.read.records.make_source` takes it; and "class_names", texts by label, if classes have names.
            Otherwise the largest label says how many classes there are, named "0", "1" and so on. Images have the size
            of the first of "train". If that comes from a source and is larger than 224 x 224, images count as
            photographs, which differ in size.
        name: for messages and the run card.
        validation: as in `divide`.
        test: as in `divide`.
        seed: as in `divide`.

    Raises:
        UserError: for anything else, or a setting that makes no sense.
    """
    if not isinstance(data, Mapping) or "train" not in data or not data.keys() <= {*SPLITS, "class_names"}:
        what = f"it has {', '.join(map(repr, data))}" if isinstance(data, Mapping) else f"it is a {type(data).__name__}"
        raise UserError(
            'data must be a dict of "train" and any of "val" and "test", each (images, labels) or a source, and '
            f'"class_names" if they have names; {what}'
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
    """Returns the data set with the splits "train", "val" and "test". Cutting train keeps the fractions of classes.

    Args:
        dataset: as distributed.
        validation: size of the validation split that is made from "train": a fraction below 1, or a number of examples.
            None for the catalog's, else the official validation split, else a tenth.
        test: size of the test split that is made from "train", always of the same examples; None for the official test
            split, else the official validation split.
        seed: chooses the validation examples, unless the catalog fixes them and `validation` is None.

    Raises:
        UserError: for a label without a class, training examples of a single class, or a setting that makes no sense.
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
    """Returns the splits "train", "val" and "test" of a data set in memory, cropped as in evaluation.

    Args:
        name: of the data set, as in `open_dataset`.
        data_dir: likewise.
        image_size: side of the squares in pixels; None as in `Dataset.square`.
        fit: how images become square: "crop", "pad" or "stretch".
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


def _distributed(name: str, data_dir: str | os.PathLike[str] | None, needed: str) -> Dataset:
    if name == FOLDER:
        return _folder(data_dir, needed)
    if name not in CATALOG and name not in {info.tfds_name for info in CATALOG.values()}:
        anyset, info, unlabelled = open_any(name, data_dir)
        return dataclasses.replace(_stored(info, anyset), unlabelled=unlabelled)
    info = dataset_info(name)
    if info.archive is None:
        return described(info, _digits(info))
    prepared, found = open_prepared(info, data_dir)
    missing = {split: dict(part) for split, part in (found.partial or {}).items() if part["examples"] < part["of"]}
    return dataclasses.replace(_stored(info, prepared), partial=missing or None)


def _folder(data_dir: str | os.PathLike[str] | None, needed: str) -> Dataset:
    found = open_folder(data_dir, needed)
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
    """Returns a prepared data set and its folder."""
    origin, place = sources["train"].origin, sources["train"].place.absolute()
    remarks = (of_copy(origin, place),) if origin else ()
    return dataclasses.replace(described(info, sources), dir=origin or str(place), remarks=remarks)


def _shape(source: ArraySource | PairSource) -> tuple[int | None, int | None, int]:
    """Returns the `shape` of a `Dataset` for a source that a program passes."""
    if source.shape is None:
        return None, None, 3
    height, width, channels = source.shape
    photographs = isinstance(source, PairSource) and min(height, width) > _SIDE
    return (None, None, channels) if photographs else (height, width, channels)


def described(info: DatasetInfo, sources: Mapping[str, Source]) -> Dataset:
    """Returns the data set of a catalog's entry, with the official splits."""
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
    """Returns the rest of a source and the part that is cut from it, with the same fractions of classes.

    Args:
        source: to be divided.
        key: name of the setting, for messages.
        part: a fraction below 1, or a number of examples.
        seed: chooses the examples; None: equally spaced ones.
    """
    rest, taken = cut(source.labels, part_count(key, part, len(source.labels)), seed=seed)
    return Subset(source, rest), Subset(source, taken)


def _digits(info: DatasetInfo) -> dict[str, Source]:
    """Returns scikit-learn's digits, with a fixed test split of our own: equally spaced examples of each digit.

    The 17 grey levels become 0 to 255, rounded. Neighbours in the file are by the same writers, so every split has all
    writers.
    """
    from sklearn.datasets import load_digits  # takes a second to import

    digits = load_digits()
    image = ((digits.images.astype(np.int32) * 255 + 8) // 16).astype(np.uint8)[..., None]
    everything = ArraySource(image, digits.target.astype(np.int32))
    train, test = cut(everything.labels, info.examples["test"], seed=None)
    return {"train": Subset(everything, train), "test": Subset(everything, test)}

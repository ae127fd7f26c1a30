"""Reads prepared data sets: folders of tensorflow-datasets in the array_record format.

tensorflow-datasets is imported when it is used, since that takes a second, and small sets do not need it. JAX is not
imported.
"""

import contextlib
import dataclasses
import functools
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from jaxcnn.data.catalog import CATALOG, DatasetInfo
from jaxcnn.data.read.copies import brought
from jaxcnn.data.read.decode import UnreadableError
from jaxcnn.data.read.prepared import DamagedError, DataDir, Prepared, data_folder, find_prepared, unreadable
from jaxcnn.errors import UserError, unknown_word

_HELD = 2**29  # bytes; the records of a split with smaller files are kept in memory
_CHUNK = 1000  # records that are read at a time: three times as fast as one by one
_UNLABELLED = -1  # in place of a secret label


class PreparedSource:
    """A split of a prepared data set. It is read record by record; a small one is read whole when labels are needed."""

    def __init__(
        self,
        place: str | os.PathLike[str],
        split: str,
        *,
        image: str = "image",
        label: str = "label",
        origin: str | None = None,
    ) -> None:
        """Makes a source; nothing is read yet.

        Args:
            place: the folder of the data set, down to the version.
            split: its name on disk.
            image: the feature that is the image.
            label: the feature that is the label.
            origin: the address of which `place` is a copy, if it is one.
        """
        self.place, self.split, self._image, self._label = Path(place), split, image, label
        self.origin = origin
        self._held: list[bytes] = []

    def __getstate__(self) -> dict[str, Any]:
        """Returns the state for another process, which reads the images itself."""
        return {name: value for name, value in vars(self).items() if name != "_records"} | {"_held": []}

    @functools.cached_property
    def labels(self) -> np.ndarray:
        """(examples,) int32, from a file beside the records.

        If there is none, they are read from all records and written to it.
        """
        beside = self.place / f"{'labels' if self._label == 'label' else self._label}-{self.split}.npy"
        if beside.is_file():
            found = np.load(beside, allow_pickle=False)
            if found.shape == (len(self._records),) and found.dtype == np.int32:
                return found
        labels = self._scan()
        if not self._held:
            _keep(beside, labels)
        return labels

    def __getitem__(self, index: int) -> bytes:
        if self._held:
            return self._held[index]
        try:
            return self._records[int(index)][self._image]
        except Exception as error:  # array_record and its parser raise different kinds
            raise UnreadableError(type(error).__name__) from None

    def name(self, index: int) -> str:
        """Returns the number of an example."""
        return f"record {index} of {self.split} in {self.origin or self.place}"

    @functools.cached_property
    def _records(self) -> Any:
        import tensorflow_datasets as tfds

        builder = tfds.builder_from_directory(self.place)  # its data source picks array_record by itself
        # Decoding images here saves a quarter of the time, and a message of tensorflow-datasets about OpenCV.
        return builder.as_data_source(self.split, decoders={self._image: tfds.decode.SkipDecoding()})

    def _scan(self) -> np.ndarray:
        size, files = len(self._records), self.place.glob(f"*-{self.split}.array_record*")
        small = sum(path.stat().st_size for path in files) < _HELD
        starts, console = range(0, size, _CHUNK), Console(stderr=True)
        quiet = small or not sys.stderr.isatty()
        labels: list[int] = []
        for start in track(starts, f"reading the labels of {self.split}", console=console, disable=quiet):
            records = self._records.__getitems__(range(start, min(start + _CHUNK, size)))
            labels += [int(record[self._label]) for record in records]
            self._held += [record[self._image] for record in records] if small else []
        return np.array(labels, np.int32)


def open_prepared(info: DatasetInfo, data_dir: DataDir = None) -> tuple[dict[str, PreparedSource], Prepared]:
    """Returns the official splits "train" and "test" of a data set in the catalog, and facts about its folder.

    Raises:
        UserError: for a data set that is not prepared, is in another format, has no such split, or is damaged.
    """
    found = find_prepared(info, data_dir)
    if found is None:
        option = f" --data-dir {data_dir}" if data_dir else ""
        raise UserError(
            f"data set {info.name!r} is not prepared in {data_folder(data_dir)}: run "
            f"`jaxcnn prepare {info.name}{option}`, with --from DIR where its files lie"
        )
    if not found.readable:
        raise unreadable(info, found)
    here = _Here(info, found, brought(found, [info.stored_split(split) for split in info.examples]))
    return {split: _open(here, split) for split in info.examples}, found


def open_any(name: str, data_dir: DataDir = None) -> tuple[dict[str, PreparedSource], DatasetInfo, tuple[str, ...]]:
    """Returns the splits of any image-classification data set that tensorflow-datasets prepared, and facts about it.

    The splits are "train" and, if they exist, "val" (from "validation") and "test". A split without labels (all are -1,
    as in competitions) is left out. The names of such splits are returned third.

    Args:
        name: in tensorflow-datasets, or name/config.
        data_dir: the folder of all prepared data sets.

    Raises:
        UserError: for a data set that is not prepared, in another format, damaged, not of one image and one class
            label, or without training labels.
    """
    info = _blank(name)
    found = find_prepared(info, data_dir)
    if found is None:
        folder = data_folder(data_dir)
        if "://" in name or Path(name).expanduser().is_dir():
            raise UserError(f"data.name is {name}: images there are named by data.name=folder and data.dir={name}")
        raise UserError(f"{unknown_word('data set', name, [*CATALOG, 'folder'])}; nor is one prepared in {folder}")
    if not found.readable:
        raise unreadable(info, found)
    splits = {"train": "train", "val": "validation", "test": "test"}
    here = _Here(info, found, brought(found, splits.values()))
    features = _features(here)
    image, label = (_only(info, features, kind) for kind in ("Image", "ClassLabel"))
    height, width, channels = features[image].shape
    channels = 1 if channels == 1 else 3  # as decoding makes them
    info = dataclasses.replace(
        info,
        shape=(height, width, channels) if height and width else (None, None, channels),
        image_size=min(height, width) if height and width else info.image_size,
        class_names=tuple(features[label].names),
        examples=found.examples,
    )
    sources = {
        split: here.source(stored, image=image, label=label)
        for split, stored in splits.items()
        if stored in found.examples
    }
    if "train" not in sources:
        raise UserError(f"data set {name!r} in {found.place} has no split train")
    for split, source in sources.items():
        _check_labels(here, split, source, found.examples[source.split])
    unlabelled = tuple(split for split, source in sources.items() if _unlabelled(source))
    if "train" in unlabelled:
        raise UserError(f"data set {name!r} in {found.place} has no labels in its split train: all are {_UNLABELLED}")
    return {split: source for split, source in sources.items() if split not in unlabelled}, info, unlabelled


@dataclasses.dataclass(frozen=True)
class _Here:
    """A prepared data set that can be read on this machine."""

    info: DatasetInfo
    found: Prepared
    place: Path
    """Folder of its files: `found.place`, or a copy of it."""

    def source(self, stored: str, *, image: str = "image", label: str) -> PreparedSource:
        origin = str(self.found.place) if self.found.place != self.place else None
        return PreparedSource(self.place, stored, image=image, label=label, origin=origin)

    def damaged(self, how: str) -> DamagedError:
        copy = f", copied to {self.place}," if self.found.place != self.place else ""
        return DamagedError(self.info, f"{self.found.place}{copy}", how)


def _open(here: _Here, split: str) -> PreparedSource:
    info, found = here.info, here.found
    stored = info.stored_split(split)
    source = here.source(stored, label=info.label_key)
    expected = (found.partial or {}).get(stored, {}).get("examples", info.examples[split])
    if stored not in found.examples:
        raise UserError(f"data set {info.name!r} in {found.place} was prepared without its split {stored}")
    if found.examples[stored] != expected:
        raise here.damaged(f"{split} has {found.examples[stored]} examples where {expected} were expected")
    _check_labels(here, split, source, expected)
    return source


def _check_labels(here: _Here, split: str, source: PreparedSource, expected: int) -> None:
    """Raises `UserError` if the labels of a split cannot be read, or are not as many as expected.

    Args:
        here: where the data set is.
        split: name of the split.
        source: its examples.
        expected: number of examples.
    """
    try:
        size = len(source.labels)
    except Exception as error:  # array_record and its parser raise different kinds
        raise here.damaged(f"{type(error).__name__} in {split}") from None
    if size != expected:
        raise here.damaged(f"{split} has {size} examples where {expected} were expected")


def _unlabelled(source: PreparedSource) -> bool:
    return len(source.labels) > 0 and bool((source.labels == _UNLABELLED).all())


def _features(here: _Here) -> Mapping[str, Any]:
    import tensorflow_datasets as tfds

    try:
        return tfds.builder_from_directory(here.place).info.features
    except Exception as error:  # it reads the folder's JSON files
        raise here.damaged(type(error).__name__) from None


def _only(info: DatasetInfo, features: Mapping[str, Any], kind: str) -> str:
    """Returns the name of the only feature of a kind, or of the one with the usual name."""
    names = [name for name, feature in features.items() if type(feature).__name__ == kind]
    usual = {"Image": "image", "ClassLabel": "label"}[kind]
    if len(names) != 1 and usual not in names:
        raise UserError(f"data set {info.name!r} has {len(names)} features {kind}: it must have one, or one {usual!r}")
    return names[0] if len(names) == 1 else usual


def _blank(name: str) -> DatasetInfo:
    """Returns an entry for a data set of which only the folder is known."""
    nothing: dict[str, Any] = {"class_names": (), "examples": {}, "mean": (), "std": (), "validation": 0}
    nothing |= dict.fromkeys(("statistics", "licence", "citation", "homepage"), "")
    return DatasetInfo(name=name, title=name, shape=(None, None, 3), image_size=224, **nothing)


def _keep(path: Path, labels: np.ndarray) -> None:
    """Writes the labels if possible, so that the records are not read again for them."""
    partial = path.with_suffix(f".{os.getpid()}.partial")
    with contextlib.suppress(OSError):
        with partial.open("wb") as file:
            np.save(file, labels)
        partial.replace(path)

"""CIFAR-10 and CIFAR-100 as Krizhevsky distributes them (https://www.cs.toronto.edu/~kriz/cifar.html).

Both are distributed as an archive of binary files and as an archive of Python pickles. Either is read, packed (.tar.gz)
or unpacked. An image is 3,072 bytes: its red, its green and its blue plane. In a binary file, the bytes of its labels
come before it.
"""

import tarfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from jaxcnn.data.catalog import DatasetInfo
from jaxcnn.data.catalog.cifar import CIFAR10, CIFAR100, CIFAR100_COARSE
from jaxcnn.data.read.labels import as_whole
from jaxcnn.data.sets.archives.examples import Examples, MissingFilesError, as_labels
from jaxcnn.data.sets.archives.files import files_in, find_file, folders_by_depth, one_folder, open_packed
from jaxcnn.data.sets.archives.pickles import read_pickle
from jaxcnn.errors import UserError

_SIDE, _CHANNELS = 32, 3
_PIXELS = _SIDE * _SIDE * _CHANNELS
_MOST = 2**28
"""Most bytes that are read from one file; the largest has 155 MB. A forged archive could fill the memory."""


class _Kind(NamedTuple):
    """One kind of label: fine or coarse."""

    feature: str  # its name in tensorflow-datasets
    class_names: Sequence[str]
    file: str  # with the class names
    names_key: str = ""  # if the file is a pickle: the key of the class names in it
    label_key: str = ""  # in a pickle of images: the key of the labels


class _Layout(NamedTuple):
    archive: str
    folder: str  # in the archive
    batches: Mapping[str, tuple[str, ...]]  # files by split
    kinds: tuple[_Kind, ...]  # in their order in a binary record
    pickled: bool = False


_TEN = {"train": tuple(f"data_batch_{number}" for number in range(1, 6)), "test": ("test_batch",)}
_TEN_BIN = {split: tuple(f"{name}.bin" for name in names) for split, names in _TEN.items()}
_COARSE, _FINE, _CLASSES = CIFAR100_COARSE.class_names, CIFAR100.class_names, CIFAR10.class_names

_LAYOUTS = {
    "cifar10": (
        _Layout(
            "cifar-10-binary.tar.gz",
            "cifar-10-batches-bin",
            _TEN_BIN,
            (_Kind("label", _CLASSES, "batches.meta.txt"),),
        ),
        _Layout(
            "cifar-10-python.tar.gz",
            "cifar-10-batches-py",
            _TEN,
            (_Kind("label", _CLASSES, "batches.meta", "label_names", "labels"),),
            pickled=True,
        ),
    ),
    "cifar100": (
        _Layout(
            "cifar-100-binary.tar.gz",
            "cifar-100-binary",
            {"train": ("train.bin",), "test": ("test.bin",)},
            (
                _Kind("coarse_label", _COARSE, "coarse_label_names.txt"),
                _Kind("label", _FINE, "fine_label_names.txt"),
            ),
        ),
        _Layout(
            "cifar-100-python.tar.gz",
            "cifar-100-python",
            {"train": ("train",), "test": ("test",)},
            (
                _Kind("coarse_label", _COARSE, "meta", "coarse_label_names", "coarse_labels"),
                _Kind("label", _FINE, "meta", "fine_label_names", "fine_labels"),
            ),
            pickled=True,
        ),
    ),
}


def read_cifar_split(info: DatasetInfo, folder: Path, split: str) -> Examples:
    """Returns a split from the first archive in `folder`, packed or unpacked, that has all files of the split.

    Args:
        info: entry of CIFAR-10 or CIFAR-100.
        folder: of the official files.
        split: "train" or "test".

    Raises:
        UserError: for files that are missing, damaged or cut short, or have other labels or class names than `info`.
    """
    layouts = _LAYOUTS[info.tfds_name]
    missing: tuple[str, ...] = (layouts[0].archive,)
    for layout in layouts:
        batches = layout.batches[split]
        files = _read_files(folder, layout, (*batches, *(kind.file for kind in layout.kinds)))
        if all(batch in files for batch in batches):
            return _examples(info, layout, split, files)
        if files:
            missing = tuple(batch for batch in batches if batch not in files)
    raise MissingFilesError(info, folder, missing)


def _examples(info: DatasetInfo, layout: _Layout, split: str, files: Mapping[str, bytes]) -> Examples:
    """Returns the examples of a split; raises `UserError` for damaged files.

    Args:
        info: entry of the data set.
        layout: its files and their format.
        split: "train" or "test".
        files: contents by name.
    """
    read = _unpickle if layout.pickled else _parse
    batches = []
    for name in layout.batches[split]:
        try:
            batches.append(read(layout, files[name]))
        except ValueError as error:
            raise UserError(f"{name} of {info.name} is damaged or cut short: {error}") from None
    pixels, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    by_feature: dict[str, np.ndarray] = {}
    for kind, label in zip(layout.kinds, labels.T, strict=True):
        _check_class_names(info, kind, files.get(kind.file))
        by_feature[kind.feature] = as_labels(info, layout.folder, label, len(kind.class_names))
    return Examples(
        image=pixels.reshape(-1, _CHANNELS, _SIDE, _SIDE).transpose(0, 2, 3, 1),
        label=by_feature.pop("label"),
        keys=range(len(labels)),
        features={"id": [f"{split}_{index:05d}" for index in range(len(labels))], **by_feature},
        class_names={kind.feature: kind.class_names for kind in layout.kinds},
    )


def _parse(layout: _Layout, content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Returns the pixels (examples, 3072) uint8 and the labels (examples, kinds) of a binary file."""
    kinds = len(layout.kinds)
    if not content or len(content) % (kinds + _PIXELS):
        raise ValueError(f"{len(content):,} bytes are no whole number of records of {kinds + _PIXELS:,}")
    records = np.frombuffer(content, np.uint8).reshape(-1, kinds + _PIXELS)
    return records[:, kinds:], records[:, :kinds].astype(np.int64)


def _unpickle(layout: _Layout, content: bytes) -> tuple[np.ndarray, np.ndarray]:
    batch = read_pickle(content)
    try:
        pixels = batch[b"data"]
        labels = np.stack([as_whole(kind.label_key, batch[kind.label_key.encode()]) for kind in layout.kinds], axis=-1)
    except (KeyError, ValueError, TypeError) as error:
        raise ValueError(f"no pixels or no labels ({error})") from None
    if not isinstance(pixels, np.ndarray) or pixels.shape != (len(labels), _PIXELS):
        raise ValueError(f"its pixels do not go with its {len(labels)} labels")
    return pixels, labels


def _check_class_names(info: DatasetInfo, kind: _Kind, content: bytes | None) -> None:
    """Refuses a file of class names that are not the catalog's, or are in another order. The file may be missing."""
    if content is None:
        return
    try:
        names = read_pickle(content).get(kind.names_key.encode(), ()) if kind.names_key else content.splitlines()
        found = [name.decode() for name in names if name]
    except (ValueError, AttributeError, TypeError) as error:
        raise UserError(f"{kind.file} of {info.name} is damaged: {error}") from None
    if found != list(kind.class_names):
        raise UserError(
            f"{kind.file} is not {info.name}'s: it names {len(found)} classes ({', '.join(found[:2])}, ...), "
            f"where {len(kind.class_names)} were expected ({', '.join(kind.class_names[:2])}, ...)"
        )


def _read_files(folder: Path, layout: _Layout, names: Sequence[str]) -> dict[str, bytes]:
    """Returns the contents of the named files that are in the archive, or in a folder unpacked from it."""
    if archive := find_file(folder, layout.archive) or _renamed(folder, layout):
        return _read_members(archive, {f"{layout.folder}/{name}": name for name in names})
    batches = {name for split in layout.batches.values() for name in split}
    for places in folders_by_depth(folder):
        found = [[path for path in files_in(place) if path.name in names] for place in places]
        unpacked = [paths for paths in found if batches & {path.name for path in paths}]
        if paths := one_folder(layout.folder, unpacked):
            return {path.name: path.read_bytes() for path in paths}
    return {}


def _renamed(folder: Path, layout: _Layout) -> Path | None:
    """Returns an archive of another name, recognised by the folder that its content begins with."""
    for path in files_in(folder) if folder.is_dir() else []:
        try:
            with open_packed(path) as file, tarfile.open(fileobj=file, mode="r:") as tar:
                first = tar.next()
        except (tarfile.TarError, EOFError, zlib.error, OSError):
            continue
        if first and layout.folder in PurePosixPath(first.name).parts:
            return path
    return None


def _check_size(path: Path, size: int) -> None:
    if size > _MOST:
        raise UserError(f"{path} has {size:,} bytes: no file of CIFAR has more than {_MOST:,}")


def _read_members(archive: Path, names: Mapping[str, str]) -> dict[str, bytes]:
    found = {}
    try:
        with open_packed(archive) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            for member in tar:
                name = names.get(member.name.removeprefix("./"))
                content = tar.extractfile(member) if name and member.isreg() else None
                if name and content:
                    _check_size(archive / name, member.size)
                    found[name] = content.read()
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise UserError(f"{archive} is damaged or cut short: {error}") from None
    return found

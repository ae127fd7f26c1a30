"""A folder of images, one folder a class: `train/<class>/*.jpg` beside `val/` and `test/`, or the classes alone."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from jaxcnn.addresses import local_path
from jaxcnn.data.decode import UnreadableError
from jaxcnn.errors import UserError

_VALIDATION = ("val", "valid", "validation")


@dataclasses.dataclass(frozen=True, eq=False)
class FolderSource:
    """Image files."""

    root: str
    paths: tuple[str, ...]
    """Below `root`, by example."""
    labels: np.ndarray
    """(examples,) int32."""

    def __getitem__(self, index: int) -> bytes:
        try:
            with open(self.name(index), "rb") as file:
                return file.read()
        except OSError as error:
            raise UnreadableError(error.strerror) from None

    def name(self, index: int) -> str:
        """Returns the path of an image."""
        return os.path.join(self.root, self.paths[index])


def open_folder(path: str | os.PathLike[str] | None) -> tuple[dict[str, FolderSource], tuple[str, ...]]:
    """Returns the splits of a folder of images, and the names of its classes, sorted: those are the labels from 0 on.

    Hidden files are passed over; every other file counts as an image, whatever it holds, so that none is lost unseen.

    Args:
        path: of a folder that holds `train` and any of `val` (`valid`, `validation`) and `test`, or else the classes;
            those are then "train". Where there is no `test`, `val` is the split "test".

    Raises:
        UserError: for a folder that is missing, a class without images or unknown to `train`, or no classes.
    """
    if path is None:
        raise UserError("data.name is 'folder': data.dir must say which, as --config.data.dir=PATH")
    root = local_path("data.dir", path)
    if not root.is_dir():
        raise UserError(f"data.dir is {path}: there is no such folder")
    places = _splits(root)
    names = tuple(entry.name for entry in _folders(places["train"]))
    if len(names) < 2:
        raise UserError(f"{places['train']} holds {len(names)} folders of images: it must hold one for each class")
    return {split: _read_split(place, names) for split, place in places.items()}, names


def _splits(root: Path) -> Mapping[str, Path]:
    if not (root / "train").is_dir():
        return {"train": root}
    found = {"train": root / "train"}
    validation = next((root / name for name in _VALIDATION if (root / name).is_dir()), None)
    if (root / "test").is_dir():
        found["test"] = root / "test"
        return found | ({"val": validation} if validation else {})
    return found | ({"test": validation} if validation else {})


def _folders(place: Path) -> list[Path]:
    return sorted(entry for entry in place.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _read_split(place: Path, names: tuple[str, ...]) -> FolderSource:
    paths: list[str] = []
    counts = np.zeros(len(names), int)
    for folder in _folders(place):
        if folder.name not in names:
            raise UserError(f"{folder} is a class that train does not have")
        found = _files(folder)
        if not found:
            raise UserError(f"{folder} holds no images: every class needs some, so fill it or remove it")
        paths += [os.path.relpath(path, place) for path in found]
        counts[names.index(folder.name)] = len(found)
    return FolderSource(str(place), tuple(paths), np.repeat(np.arange(len(names), dtype=np.int32), counts))


def _files(folder: Path) -> list[str]:
    seen: set[str] = set()
    found: list[str] = []
    for place, inner, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:  # by a link that leads back
            inner.clear()
            continue
        seen.add(real)
        found += [os.path.join(place, name) for name in names]
    return sorted(path for path in found if not os.path.basename(path).startswith("."))

"""A folder of images, one folder a class: `train/<class>/*.jpg` beside `val/` and `test/`, or the classes alone."""

import contextlib
import dataclasses
import os
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxcnn.addresses import local_path
from jaxcnn.data.read.decode import Photograph, UnreadableError
from jaxcnn.data.read.layout import alike, class_folders, find_splits
from jaxcnn.data.read.levels import Levels
from jaxcnn.data.read.tree import Entry, files, is_image, listing
from jaxcnn.errors import UserError

_PACKED = re.compile(r"\.(zip|tar|t?gz|bz2|xz|7z|rar|lnk|url|webloc)$", re.IGNORECASE)
"""Beside the classes: perhaps one of them, not unpacked, or a shortcut to it, which is not followed."""
_LINK = re.compile(rb"[^\r\n]*[/\\][^\r\n]*")
"""What a link holds that was unpacked as a file of text."""
_LONGEST = 1024
"""Bytes of it."""
_SHOWN = 3
"""Files that a remark names."""


@dataclasses.dataclass(frozen=True, eq=False)
class FolderSource:
    """Image files."""

    root: str
    paths: tuple[str, ...]
    """Below `root`, by example."""
    labels: np.ndarray
    """(examples,) int32."""
    levels: Levels = dataclasses.field(default_factory=dict)
    """Of deep images."""

    def __getitem__(self, index: int) -> Photograph:
        try:
            with open(self.name(index), "rb") as file:
                return Photograph(file.read(), self.levels)
        except OSError as error:
            lost = os.path.islink(self.name(index)) and not os.path.exists(self.name(index))
            raise UnreadableError("it is a link to nowhere" if lost else error.strerror) from None

    def name(self, index: int) -> str:
        """Returns the path of an image."""
        return os.path.join(self.root, self.paths[index])


class Folder(NamedTuple):
    """A folder of images."""

    splits: dict[str, FolderSource]
    """By split, "train" and any of "val" and "test"."""
    class_names: tuple[str, ...]
    """By label: sorted."""
    remarks: tuple[str, ...]
    """What was decided on the way, and what is left out."""


def open_folder(path: str | os.PathLike[str] | None) -> Folder:
    """Returns the splits of a folder of images, and the names of its classes, sorted: those are the labels from 0 on.

    Hidden folders and files are passed over at every depth. Links are followed; a link's own name counts. A file is an
    image that has the ending of one, whatever it holds, so that none is lost unseen, or else begins as images do.

    Args:
        path: of a folder that holds the splits, in any spelling that `find_splits` knows, or else the classes; those
            are then "train".

    Raises:
        UserError: for a folder that is missing, a class without images or unknown to `train`, no classes, a link to
            nowhere in the place of a class, or splits that are not clear.
    """
    if path is None:
        raise UserError("data.name is 'folder': data.dir must say which, as --config.data.dir=PATH")
    root = local_path("data.dir", path)
    if not root.is_dir():
        raise UserError(
            f"data.dir is {path}: " + ("it is a file: unpack it" if root.exists() else "there is no such folder")
        )
    layout = find_splits(str(root))
    classes = {split: class_folders(place) for split, place in layout.places.items()}
    names = tuple(entry.name for entry in classes["train"])
    if len(names) < 2:
        held = f"{layout.places['train']} holds {len(names)} folders of images"
        raise UserError(f"{held}: every class needs one of its own, and there must be two at least")
    left_out: list[str] = []
    splits = {split: _read_split(layout.places[split], classes[split], names, left_out) for split in classes}
    return Folder(splits, names, (*layout.remarks, *alike(classes["train"]), *_left_out(left_out, root)))


def _read_split(place: str, classes: list[Entry], names: tuple[str, ...], left_out: list[str]) -> FolderSource:
    """Returns the images of a split; adds the paths of the files that are none, or that no class holds."""
    beside = [entry for entry in listing(place) if entry.kind == "file"]
    left_out += [entry.path for entry in beside if _perhaps_class(entry) or is_image(entry)]
    paths: list[str] = []
    counts = np.zeros(len(names), int)
    for folder in classes:
        if folder.name not in names:
            raise UserError(f"{folder.path} is a class that train does not have")
        found = list(files(folder.path))
        images = sorted(entry.path for entry in found if is_image(entry))
        if not images:
            raise UserError(f"{folder.path} holds no images: every class needs some, so fill it or remove it")
        left_out += sorted({entry.path for entry in found} - set(images)) if len(images) < len(found) else []
        paths += [path.removeprefix(place).lstrip(os.sep) for path in images]  # a third of relpath's time
        counts[names.index(folder.name)] = len(images)
    return FolderSource(place, tuple(paths), np.repeat(np.arange(len(names), dtype=np.int32), counts))


def _perhaps_class(entry: Entry) -> bool:
    """Returns whether a file beside the classes may stand for one of them."""
    if "." in entry.name:
        return bool(_PACKED.search(entry.name))
    with contextlib.suppress(OSError), open(entry.path, "rb") as file:
        content = file.read(_LONGEST + 1)
        return len(content) <= _LONGEST and bool(_LINK.fullmatch(content))
    return False


def _left_out(paths: list[str], root: Path) -> list[str]:
    """Returns a remark on files that are left out, if any are."""
    if not paths:
        return []
    shown = ", ".join(os.path.relpath(path, root) for path in paths[:_SHOWN]) + (", ..." if paths[_SHOWN:] else "")
    what = (
        "1 file that is no image of a class is"
        if len(paths) == 1
        else f"{len(paths):,} files that are no images of a class are"
    )
    return [f"{what} left out: {shown}"]

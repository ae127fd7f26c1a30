"""A folder of images with a folder for each class: `train/<class>/*.jpg`, `val/` and `test/`, or the classes alone."""

import contextlib
import dataclasses
import operator
import os
import re
from typing import NamedTuple

import numpy as np

from jaxcnn.data.read.decode import Photograph, UnreadableError
from jaxcnn.data.read.layout import alike, class_folders, find_splits
from jaxcnn.data.read.levels import Levels
from jaxcnn.data.read.places import DISK, Place
from jaxcnn.data.read.tree import Entry, files, images, listing, root_of
from jaxcnn.errors import UserError

_PACKED = re.compile(r"\.(zip|tar|t?gz|bz2|xz|7z|rar|lnk|url|webloc)$", re.IGNORECASE)
"""Files beside the classes that may be a class that was not unpacked, or a shortcut to one, which is not followed."""
_LINK = re.compile(rb"[^\r\n]*[/\\][^\r\n]*")
"""Content of a link that was unpacked as a text file."""
_LONGEST = 1024
"""Most bytes of such a file."""
_JPEG = b"\xff\xd8"
_SHOWN = 3
"""Files that a remark names."""


@dataclasses.dataclass(frozen=True, eq=False)
class FolderSource:
    """Image files."""

    root: str
    paths: tuple[str, ...]
    """Paths below `root`, by example."""
    labels: np.ndarray
    """(examples,) int32."""
    levels: Levels = dataclasses.field(default_factory=dict)
    """Of deep images."""
    place: Place = DISK
    """The place that they are read from."""

    @property
    def at_once(self) -> int:
        """Best number of concurrent reads."""
        return self.place.at_once

    def __getitem__(self, index: int) -> Photograph:
        try:
            return Photograph(self.place.read(self.name(index)), self.levels)
        except OSError as error:
            raise UnreadableError(error.strerror) from None

    def name(self, index: int) -> str:
        """Returns the path of an image."""
        return self.place.join(self.root, self.paths[index])

    def begins_as_jpeg(self, index: int) -> bool:
        """Returns whether a file is JPEG or cannot be read; an error is reported when it is read later."""
        try:
            return self.place.head(self.name(index), len(_JPEG)) == _JPEG
        except OSError:
            return True


class Folder(NamedTuple):
    """A folder of images."""

    splits: dict[str, FolderSource]
    """By split, "train" and any of "val" and "test", or the needed split alone."""
    class_names: tuple[str, ...]
    """By label: sorted."""
    remarks: tuple[str, ...]
    """Sentences about decisions that were made for the user, and about files that are left out."""


def open_folder(path: str | os.PathLike[str] | None, needed: str = "train") -> Folder:
    """Returns the splits of a folder of images, and the sorted names of its classes, which are the labels 0, 1, ...

    Hidden folders and files are skipped at every depth. Links are followed, and keep their own names. A file is an
    image if it has an extension of images, whatever its content, so that none is ignored silently, or if its content
    begins as an image.

    Args:
        path: of a folder, on this machine or in a bucket. It contains the splits, in any spelling that `find_splits`
            knows, or the classes, which are then "train".
        needed: as of `find_splits`.

    Raises:
        UserError: for a folder that is missing, a class without images or not in `train`, no classes, a broken link in
            place of a class, or splits that are not clear.
    """
    if path is None:
        raise UserError("data.name is 'folder': data.dir must say which, as --config.data.dir=PATH")
    root = root_of("data.dir", path)
    layout = find_splits(root, needed)
    classes = {split: class_folders(place) for split, place in layout.places.items()}
    first = "train" if "train" in classes else needed
    names = tuple(entry.name for entry in classes[first])
    if len(names) < 2:
        held = f"{layout.places[first].path} holds {len(names)} folders of images"
        raise UserError(f"{held}: every class needs one of its own, and there must be two at least")
    left_out: list[Entry] = []
    splits = {split: _read_split(layout.places[split], classes[split], names, left_out) for split in classes}
    return Folder(splits, names, (*layout.remarks, *alike(classes[first]), *_left_out(left_out, root)))


def splits_of(path: str | os.PathLike[str], needed: str = "train") -> set[str]:
    """Returns the splits that `open_folder` finds, without a look at images; arguments and errors as there."""
    return set(find_splits(root_of("data.dir", path), needed).places)


def _read_split(split: Entry, classes: list[Entry], names: tuple[str, ...], left_out: list[Entry]) -> FolderSource:
    """Returns the images of a split.

    Args:
        split: folder of the split.
        classes: folders of its classes.
        names: classes of the training split, or else of the needed one.
        left_out: list to which files that are not images of a class are appended.
    """
    beside = [entry for entry in listing(split) if entry.kind == "file"]
    without_class = {*images(beside)}
    left_out += [entry for entry in beside if entry in without_class or _perhaps_class(entry)]
    paths: list[str] = []
    counts = np.zeros(len(names), int)
    for folder in classes:
        if folder.name not in names:
            raise UserError(f"{folder.path} is a class that train does not have")
        found = list(files(folder))
        kept = sorted(images(found), key=_path)
        if not kept:
            raise UserError(f"{folder.path} holds no images: every class needs some, so fill it or remove it")
        left_out += sorted({*found} - {*kept}, key=_path) if len(kept) < len(found) else []
        paths += [entry.below(split) for entry in kept]
        counts[names.index(folder.name)] = len(kept)
    labels = np.repeat(np.arange(len(names), dtype=np.int32), counts)
    return FolderSource(split.path, tuple(paths), labels, place=split.place)


_path = operator.attrgetter("path")


def _perhaps_class(entry: Entry) -> bool:
    """Returns whether a file beside the classes may be one of them."""
    if "." in entry.name:
        return bool(_PACKED.search(entry.name))
    with contextlib.suppress(OSError):
        content = entry.place.head(entry.path, _LONGEST + 1)
        return len(content) <= _LONGEST and bool(_LINK.fullmatch(content))
    return False


def _left_out(entries: list[Entry], root: Entry) -> list[str]:
    """Returns a remark about files that are left out, if there are any."""
    if not entries:
        return []
    shown = ", ".join(entry.below(root) for entry in entries[:_SHOWN]) + (", ..." if entries[_SHOWN:] else "")
    what = (
        "1 file that is no image of a class is"
        if len(entries) == 1
        else f"{len(entries):,} files that are no images of a class are"
    )
    return [f"{what} left out: {shown}"]

"""ImageNet's tar files of 2012: a tar with one tar of training images for each class, and a tar of validation images.

Nothing is unpacked. The headers are read once and give the position of every image; an image's bytes are read when it
is needed. Unpacked files are read too: a folder with a tar or a folder for each class, and a folder of the validation
images, sorted by class or not. The labels of the validation images come from tensorflow-datasets, which contains them.
"""

import io
import os
import re
import sys
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import track

from jaxcnn.data.catalog import DatasetInfo
from jaxcnn.data.catalog.imagenet import SYNSETS
from jaxcnn.data.read.decode import UnreadableError, decode, open_image
from jaxcnn.data.read.tree import Entry, files, folder_here, listing
from jaxcnn.data.sets.archives.examples import EncodedImages, Examples, MissingFilesError
from jaxcnn.data.sets.archives.files import find_file, folders_by_depth, one_folder
from jaxcnn.errors import UserError

_ARCHIVES = {"train": "ILSVRC2012_img_train.tar", "validation": "ILSVRC2012_img_val.tar"}
_VALIDATION_NAME = re.compile(r"ILSVRC2012_val_(\d{8})\.JPEG")


class _Member(NamedTuple):
    name: str
    path: Path  # of the outermost tar, or of the image file
    start: int  # byte of that file at which the image begins
    size: int


def read_imagenet_split(info: DatasetInfo, folder: Path, split: str) -> Examples:
    """Returns a split from its tar file in `folder`, or from an unpacked folder.

    Args:
        info: entry of ImageNet.
        folder: of the official files.
        split: "train" or "validation".

    Raises:
        UserError: for a file that is missing, damaged or cut short, or that holds anything but images of ImageNet.
    """
    path = find_file(folder, _ARCHIVES[split]) or _unpacked(folder, split)
    if path is None:
        raise MissingFilesError(info, folder, [_ARCHIVES[split]])
    try:
        found = list((_train if split == "train" else _validation)(path))
    except (tarfile.TarError, OSError) as error:
        raise UserError(f"{path} is damaged, cut short or no tar file: {error}") from None
    if not found:
        raise UserError(f"{path} holds no images: it is cut short or another file")
    members, labels = zip(*found, strict=True)
    names = [member.name for member in members]
    if len(set(names)) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise UserError(f"{path} holds {twice} more than once")
    label = np.array(labels, np.int32)
    return Examples(image=_Images(members), label=label, keys=names, features={"file_name": names})


def _unpacked(folder: Path, split: str) -> Path | None:
    """Returns the folder into which the tar of a split was unpacked, or None."""
    for places in folders_by_depth(folder):
        found = [place for place in places if _looks_unpacked(place, split)]
        if paths := one_folder(f"ImageNet's split {split}", [[place] for place in found]):
            return paths[0]
    return None


def _looks_unpacked(place: Path, split: str) -> bool:
    """Returns whether the first entries of a folder look like those of the split."""
    for entry in listing(folder_here(place)):
        if PurePosixPath(entry.name).stem in SYNSETS:
            first = next(files(entry), entry).name if entry.kind == "folder" else entry.name
            return bool(_VALIDATION_NAME.fullmatch(first)) == (split != "train")
        if entry.kind == "file" and split != "train" and _VALIDATION_NAME.fullmatch(entry.name):
            return True
    return False


def _train(path: Path) -> Iterator[tuple[_Member, int]]:
    label_of = {synset: label for label, synset in enumerate(SYNSETS)}
    classes = _class_tars(path) if path.is_file() else _class_folders(path)
    console = Console(stderr=True)
    for name, members in track(classes, f"reading {path.name}", console=console, disable=not sys.stderr.isatty()):
        synset = PurePosixPath(name).stem
        if synset not in label_of:
            raise UserError(f"{path} holds {name}, which is none of ImageNet's {len(SYNSETS)} synsets")
        for member in members:
            if not member.name.startswith(f"{synset}_"):
                raise UserError(f"{path} holds {member.name} in {name}, where {synset}_*.JPEG belong")
            yield member, label_of[synset]


def _class_tars(path: Path) -> list[tuple[str, Iterable[_Member]]]:
    """Returns, for each tar in a tar, its name and the files in it."""
    with tarfile.open(path, "r:") as tar:
        classes = [member for member in tar if member.isreg()]
    return [(outer.name, _in_tar(path, outer)) for outer in classes]


def _class_folders(path: Path) -> list[tuple[str, Iterable[_Member]]]:
    """Returns, for each folder or tar in a folder, its name and the files in it."""
    return [
        (entry.name, _in_folder(entry) if entry.kind == "folder" else _in_tar(Path(entry.path)))
        for entry in listing(folder_here(path))
    ]


def _validation(path: Path) -> Iterator[tuple[_Member, int]]:
    labels = _validation_labels()
    for member in _in_tar(path) if path.is_file() else _in_folder(folder_here(path)):
        match = _VALIDATION_NAME.fullmatch(member.name)
        if not match or not 0 < int(match[1]) <= len(labels):
            raise UserError(
                f"{path} holds {member.name}, which is none of ImageNet's {len(labels):,} validation images"
            )
        yield member, labels[int(match[1]) - 1]


def _in_tar(path: Path, outer: tarfile.TarInfo | None = None) -> Iterator[_Member]:
    """Yields the files in a tar, or in the tar `outer` that it contains."""
    with tarfile.open(path, "r:") as tar:
        if outer is None:
            yield from _members(tar, path)
        else:
            with tarfile.open(fileobj=tar.extractfile(outer), mode="r:") as inner:
                yield from _members(inner, path, outer.offset_data)


def _members(tar: tarfile.TarFile, path: Path, start: int = 0) -> Iterator[_Member]:
    for member in tar:
        if member.isreg():
            yield _Member(PurePosixPath(member.name).name, path, start + member.offset_data, member.size)


def _in_folder(folder: Entry) -> Iterator[_Member]:
    for entry in files(folder):
        yield _Member(entry.name, Path(entry.path), 0, os.stat(entry.path).st_size)


def _validation_labels() -> list[int]:
    """Returns the labels of the validation images, in the order of the images' names."""
    import tensorflow_datasets as tfds  # takes a second to import

    path = tfds.core.tfds_path("datasets/imagenet2012/validation_labels.txt")
    label_of = {synset: label for label, synset in enumerate(SYNSETS)}
    return [label_of[synset] for synset in path.read_text(encoding="utf-8").split()]


class _Images(EncodedImages):
    """Image files, each read when it is indexed."""

    def __init__(self, members: tuple[_Member, ...]) -> None:
        self.nbytes = sum(member.size for member in members)
        self._members = members

    def __len__(self) -> int:
        return len(self._members)

    def __getitem__(self, index: int) -> bytes:
        name, path, start, size = self._members[index]
        try:
            with path.open("rb") as file:
                file.seek(start)
                return as_jpeg(file.read(size))
        except (UnreadableError, OSError) as error:
            where = path if path.name == name else f"{path} holds {name}, which"
            raise UserError(f"{where} cannot be read: {error}") from None


def as_jpeg(content: bytes) -> bytes:
    """Returns a grey or RGB JPEG file: `content` if it is one, else `content` encoded again.

    Only 23 of ImageNet's files, a PNG and JPEGs in CMYK, are encoded again: in RGB at quality 100, as
    tensorflow-datasets does.

    Raises:
        UnreadableError: for a file that is not a whole JPEG or PNG image.
    """
    image = open_image(content, ("JPEG", "PNG"))
    if image.format in ("JPEG", "MPO") and image.mode in ("L", "RGB"):  # MPO: a JPEG that has others after it
        return content
    encoded = io.BytesIO()
    decode(content, 3).save(encoded, "JPEG", quality=100)
    return encoded.getvalue()

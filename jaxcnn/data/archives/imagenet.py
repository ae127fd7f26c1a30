"""ImageNet's tar files of 2012: images of a class in a tar each, all of those in one; and one of validation images.

Nothing is unpacked. The headers are read once, which says of every image where it lies; its bytes are then read when
they are asked for. The labels of the validation images come from tensorflow-datasets, which ships them.
"""

import io
import re
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import track

from jaxcnn.data.archives.examples import EncodedImages, Examples, require
from jaxcnn.data.catalog import DatasetInfo
from jaxcnn.data.catalog.imagenet import SYNSETS
from jaxcnn.data.decode import UnreadableError, decode, open_image
from jaxcnn.errors import UserError

_ARCHIVES = {"train": "ILSVRC2012_img_train.tar", "validation": "ILSVRC2012_img_val.tar"}
_VALIDATION_NAME = re.compile(r"ILSVRC2012_val_(\d{8})\.JPEG")


class _Member(NamedTuple):
    name: str
    start: int  # of its content in the outermost file
    size: int


def read_imagenet_split(info: DatasetInfo, folder: Path, split: str) -> Examples:
    """Returns the split "train" or "validation" from its tar file in `folder`.

    Raises:
        UserError: for a file that is missing, damaged or cut short, or holds what is no image of a class of `info`.
    """
    (path,) = require(info, folder, _ARCHIVES[split])
    labelled = _train if split == "train" else _validation
    try:
        with tarfile.open(path, "r:") as tar:
            found = list(labelled(tar, path))
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
    return Examples(image=_TarImages(path, members), label=label, keys=names, features={"file_name": names})


def _train(tar: tarfile.TarFile, path: Path) -> Iterator[tuple[_Member, int]]:
    label_of = {synset: label for label, synset in enumerate(SYNSETS)}
    classes = [member for member in tar if member.isreg()]
    console = Console(stderr=True)
    for outer in track(classes, f"reading {path.name}", console=console, disable=not sys.stderr.isatty()):
        synset = PurePosixPath(outer.name).stem
        if synset not in label_of:
            raise UserError(f"{path} holds {outer.name}, which is none of ImageNet's {len(SYNSETS)} synsets")
        with tarfile.open(fileobj=tar.extractfile(outer), mode="r:") as inner:
            for member in _files(inner, start=outer.offset_data):
                if not member.name.startswith(f"{synset}_"):
                    raise UserError(f"{path} holds {member.name} in {outer.name}, where {synset}_*.JPEG belong")
                yield member, label_of[synset]


def _validation(tar: tarfile.TarFile, path: Path) -> Iterator[tuple[_Member, int]]:
    labels = _validation_labels()
    for member in _files(tar):
        match = _VALIDATION_NAME.fullmatch(member.name)
        if not match or not 0 < int(match[1]) <= len(labels):
            raise UserError(
                f"{path} holds {member.name}, which is none of ImageNet's {len(labels):,} validation images"
            )
        yield member, labels[int(match[1]) - 1]


def _files(tar: tarfile.TarFile, start: int = 0) -> Iterator[_Member]:
    for member in tar:
        if member.isreg():
            yield _Member(PurePosixPath(member.name).name, start + member.offset_data, member.size)


def _validation_labels() -> list[int]:
    """Returns the label of every validation image, in the order of their names."""
    import tensorflow_datasets as tfds  # on use: it takes a second

    path = tfds.core.tfds_path("datasets/imagenet2012/validation_labels.txt")
    label_of = {synset: label for label, synset in enumerate(SYNSETS)}
    return [label_of[synset] for synset in path.read_text().split()]


class _TarImages(EncodedImages):
    """The image files in a tar, each read when it is asked for."""

    def __init__(self, path: Path, members: tuple[_Member, ...]) -> None:
        self.nbytes = sum(member.size for member in members)
        self._members = members
        self._path = path
        self._content = np.memmap(path, np.uint8, "r")

    def __len__(self) -> int:
        return len(self._members)

    def __getitem__(self, index: int) -> bytes:
        name, start, size = self._members[index]
        content = self._content[start : start + size].tobytes()
        try:
            return as_jpeg(content)
        except UnreadableError as error:
            raise UserError(f"{self._path} holds {name}, which cannot be read: {error}") from None


def as_jpeg(content: bytes) -> bytes:
    """Returns the file of an image: itself where it is a grey or RGB JPEG, as all but 23 are, else re-encoded as one.

    The few others, a PNG and JPEGs in CMYK, become what tensorflow-datasets makes of them: RGB at quality 100.

    Raises:
        UnreadableError: for what is no whole image.
    """
    image = open_image(content, ("JPEG", "PNG"))
    if image.format in ("JPEG", "MPO") and image.mode in ("L", "RGB"):  # MPO: a JPEG that has others after it
        return content
    encoded = io.BytesIO()
    decode(content, 3).save(encoded, "JPEG", quality=100)
    return encoded.getvalue()

"""Image files that a user names: files, folders, or standard input."""

import dataclasses
import os
import sys
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from jaxcnn.addresses import bucket_address
from jaxcnn.data.read.decode import Encoded, UnreadableError
from jaxcnn.data.read.places import DISK, Disk, Place, file_at
from jaxcnn.data.read.tree import files, images, root_of
from jaxcnn.errors import UserError
from jaxcnn.evaluation.subject import is_subject

STDIN = "-"
_WHAT = "an image"


@dataclasses.dataclass(frozen=True, eq=False)
class FileSource:
    """Image files without labels."""

    paths: tuple[tuple[Place, str], ...]
    """Of each file, the place that it is read from, and its path there."""
    encoded: Callable[[bytes], Encoded]
    """Makes what is decoded of the content of a file."""
    piped: bytes
    """The image that came through standard input, whose path is "-"."""

    @property
    def labels(self) -> np.ndarray:
        """(files,) int32, all 0: nothing is known of them."""
        return np.zeros(len(self.paths), np.int32)

    def __getitem__(self, index: int) -> Encoded:
        place, path = self.paths[index]
        try:
            return self.encoded(self.piped if path == STDIN else place.read(path))
        except OSError as error:
            raise UnreadableError(error.strerror or str(error)) from None

    def name(self, index: int) -> str:
        """Returns the path of a file."""
        return self.paths[index][1]


def find_files(named: Iterable[str | os.PathLike[str]], encoded: Callable[[bytes], Encoded]) -> FileSource:
    """Returns the images that are named, in order: files, the images in folders at every depth, and "-".

    "-" is standard input: an image, or the paths of images, a line each. In folders, hidden files are passed over. Of
    several paths, and of those from standard input, one that names no image is an image that cannot be read.

    Args:
        named: files and folders, which may be at gs:// or s3://, and "-".
        encoded: as of `FileSource`.

    Raises:
        UserError: if the one thing that is named is no image and no folder of images, if none of several is, or there
            are no images at all.
    """
    found: list[tuple[Place, str]] = []
    piped = b""
    paths = [os.fspath(path) for path in named]
    for each in paths:
        if each != STDIN:
            found += _named(each) if len(paths) == 1 else _listed(each)
            continue
        content = sys.stdin.buffer.read()
        if (lines := _lines(content)) is None:
            piped = content
            found.append((DISK, STDIN))
        else:
            found += [entry for line in lines for entry in _listed(line)]
    if not found:
        raise UserError("there are no images: name image files, or folders of them")
    reasons = [place.reason for place, _ in found if isinstance(place, _Nowhere)]
    if len(reasons) == len(found):
        count = f"none of the {len(found)} that are named is an image: " if len(found) > 1 else ""
        raise UserError(count + reasons[0])
    return FileSource(tuple(found), encoded, piped)


@dataclasses.dataclass(frozen=True)
class _Nowhere(Disk):
    """The place of a path of a list that names no image."""

    reason: str

    def read(self, path: str) -> bytes:  # noqa: ARG002
        """Raises `OSError` with the reason."""
        raise OSError(self.reason)


def _listed(path: str) -> list[tuple[Place, str]]:
    """Returns what one of several paths names: one that is wrong does not stop the others."""
    try:
        return list(_named(path))
    except UserError as error:
        return [(_Nowhere(str(error)), path)]


def _named(path: str) -> Iterator[tuple[Place, str]]:
    """Yields a file, or the images in a folder, sorted."""
    if file := file_at(_WHAT, path):
        yield file
    elif bucket_address(_WHAT, path) or os.path.isdir(path):
        if is_subject(path):
            raise UserError(f"{path} is a trained net, and no folder of images: --ensemble {path} averages with it")
        entries = sorted(images(files(root_of(_WHAT, path))), key=lambda entry: entry.path)
        yield from ((entry.place, entry.path) for entry in entries)
    elif os.path.exists(path):
        raise UserError(f"{path} is neither a file nor a folder: an image that comes through a pipe is named {STDIN}")
    else:
        raise UserError(f"there is no {path}")


def _lines(content: bytes) -> list[str] | None:
    """Returns the lines of a list of paths that are not empty; None for an image, every format of which has zeros."""
    if b"\0" in content:
        return None
    lines = content.decode("utf-8", errors="surrogateescape").split("\n")  # a name may have bytes that are no UTF-8
    return [line for line in (line.removesuffix("\r") for line in lines) if line]

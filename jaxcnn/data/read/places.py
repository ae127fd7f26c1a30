"""Where a tree of folders lies: on a disk, or in a bucket. What is different about the two stands here alone."""

import contextlib
import functools
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal, Protocol, TypeAlias, TypeVar

from jaxcnn.addresses import bucket_address
from jaxcnn.buckets import Bucket, BucketError, patiently
from jaxcnn.errors import Fault, UserError

Kind: TypeAlias = Literal["folder", "file", "nowhere"]
"""Of what a link leads to; "nowhere" is a link that leads to nothing."""
LISTING = 1200.0
"""Seconds that a bucket has to say what lies in it: it says 1,000 names at a time."""
AT_ONCE = 16
"""Objects that are asked for at a time: an answer takes as long for one as for many."""
Value = TypeVar("Value")


class Place(Protocol):
    """What a tree is read from; paths begin with that of its root. Cheap to pickle."""

    at_once: int
    """Reads that are best made at a time."""

    def scan(self, folder: str, visible: Callable[[str], bool]) -> Iterator[tuple[str, str, Kind]]:
        """Gives name, path and kind of what is in a folder and has a visible name; raises OSError."""

    def join(self, folder: str, below: str) -> str:
        """Returns the path of what lies below a folder."""

    def real(self, path: str) -> str:
        """Returns the path that links lead to."""

    def head(self, path: str, size: int) -> bytes:
        """Returns the first bytes of a file; raises OSError."""

    def read(self, path: str) -> bytes:
        """Returns a file; raises OSError, or `Fault` where a bucket does not give it."""


class Disk:
    """The file system of this machine."""

    at_once = 1

    def scan(self, folder: str, visible: Callable[[str], bool]) -> Iterator[tuple[str, str, Kind]]:
        """Gives name, path and kind of entries; not of what is neither file nor folder, as a pipe."""
        with os.scandir(folder) as found:
            for entry in found:
                if visible(entry.name) and (kind := _kind(entry)):
                    yield entry.name, entry.path, kind

    def join(self, folder: str, below: str) -> str:
        """Returns the path of what lies below a folder."""
        return os.path.join(folder, below)

    def real(self, path: str) -> str:
        """Returns the path that links lead to."""
        return os.path.realpath(path)

    def head(self, path: str, size: int) -> bytes:
        """Returns the first bytes of a file."""
        with open(path, "rb", buffering=0) as file:
            return file.read(size)

    def read(self, path: str) -> bytes:
        """Returns a file."""
        try:
            with open(path, "rb") as file:
                return file.read()
        except FileNotFoundError:
            if os.path.islink(path):
                raise OSError(None, "it is a link to nowhere") from None
            raise


DISK = Disk()


class Objects:
    """What lies below an address in a bucket, listed once; a name with "/" in it is one in folders."""

    at_once = AT_ONCE

    def __init__(self, address: str) -> None:
        self.address = address

    def __getstate__(self) -> dict[str, str]:
        """Returns what another process needs, which only reads."""
        return {"address": self.address}

    def scan(self, folder: str, visible: Callable[[str], bool]) -> Iterator[tuple[str, str, Kind]]:
        """Gives name, path and kind of what lies right below a folder."""
        for name, kind in self._folders.get(folder, ()):
            if visible(name):
                yield name, self.join(folder, name), kind

    def join(self, folder: str, below: str) -> str:
        """Returns the path of what lies below a folder."""
        return f"{folder}/{below}"

    def real(self, path: str) -> str:
        """Returns the path: there are no links."""
        return path

    def head(self, path: str, size: int) -> bytes:
        """Returns the first bytes of an object."""
        return self._asked(lambda bucket: bucket.head(self._name(path), size))

    def read(self, path: str) -> bytes:
        """Returns an object."""
        return self._asked(lambda bucket: bucket.read(self._name(path)))

    def check(self, what: str) -> None:
        """Raises `UserError` where nothing lies below the address, or the bucket cannot be asked.

        Args:
            what: a message calls the address.
        """
        try:
            if self._bucket.is_object():  # also says within a short time whether the bucket answers
                raise UserError(f"{what} is {self.address}: it is a file: unpack it")
            if not self._folders:
                raise UserError(f"{what} is {self.address}: there is nothing of that name in the bucket")
        except BucketError as error:
            raise UserError(f"{what} is {self.address}: {error}") from None

    @property
    def _bucket(self) -> Bucket:
        return Bucket(self.address)

    def _name(self, path: str) -> str:
        return path[len(self.address) + 1 :]

    @functools.cached_property
    def _folders(self) -> Mapping[str, set[tuple[str, Kind]]]:
        """By folder, (name, kind) of what lies right below it."""
        found: dict[str, set[tuple[str, Kind]]] = {}
        for name in self._bucket.find(seconds=LISTING):
            folder = self.address
            *above, last = name.split("/")
            for part in above:
                found.setdefault(folder, set()).add((part, "folder"))
                folder = self.join(folder, part)
            if last:  # consoles make objects with "/" at the end for folders
                found.setdefault(folder, set()).add((last, "file"))
        return found

    def _asked(self, ask: Callable[[Bucket], Value]) -> Value:
        try:
            return patiently(lambda: ask(self._bucket))
        except FileNotFoundError:
            raise FileNotFoundError(None, "the object is gone") from None
        except BucketError as error:
            raise Fault(
                f"data in {self.address} cannot be read: {error}; what was saved before can be gone on from"
            ) from None


def place_of(what: str, path: str | os.PathLike[str]) -> tuple[Place, str]:
    """Returns what a folder of the user's is read from, and its path there.

    Args:
        what: a message calls it, as "data.dir".
        path: of this machine, or an address in a bucket.

    Raises:
        UserError: where there is no such folder.
    """
    if address := bucket_address(what, path):
        objects = Objects(address)
        objects.check(what)
        return objects, address
    root = Path(path).expanduser()
    if not root.is_dir():
        raise UserError(
            f"{what} is {path}: " + ("it is a file: unpack it" if root.exists() else "there is no such folder")
        )
    return DISK, str(root)


def _kind(entry: os.DirEntry[str]) -> Kind | None:
    """Returns the kind of an entry; None for what is neither, as a pipe, which would be waited for."""
    with contextlib.suppress(OSError):  # of a link that leads to itself
        if entry.is_dir():
            return "folder"
        if entry.is_file():
            return "file"
        if os.path.exists(entry.path):
            return None
    return "nowhere"

"""A tree of folders, on a disk or in a bucket. All differences between the two are in this module."""

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
"""Kind of an entry, or of a link's target; "nowhere" is a broken link."""
LISTING = 1200.0
"""Time limit in seconds for listing a bucket, which gives 1,000 names at a time."""
AT_ONCE = 16
"""Number of concurrent requests: many take as long as one."""
Value = TypeVar("Value")


class Place(Protocol):
    """The place that a tree is read from. Paths begin with the root's. It is cheap to pickle."""

    at_once: int
    """Best number of concurrent reads."""

    def scan(self, folder: str, visible: Callable[[str], bool]) -> Iterator[tuple[str, str, Kind]]:
        """Yields name, path and kind of the visible entries of a folder; raises OSError."""

    def join(self, folder: str, below: str) -> str:
        """Returns the path of an entry below a folder."""

    def real(self, path: str) -> str:
        """Returns the path that links lead to."""

    def head(self, path: str, size: int) -> bytes:
        """Returns the first bytes of a file; raises OSError."""

    def read(self, path: str) -> bytes:
        """Returns the content of a file; raises OSError, or `Fault` if a bucket fails."""


class Disk:
    """The file system of this machine."""

    at_once = 1

    def scan(self, folder: str, visible: Callable[[str], bool]) -> Iterator[tuple[str, str, Kind]]:
        """Yields name, path and kind of files and folders; others, such as pipes, are skipped."""
        with os.scandir(folder) as found:
            for entry in found:
                if visible(entry.name) and (kind := _kind(entry)):
                    yield entry.name, entry.path, kind

    def join(self, folder: str, below: str) -> str:
        """Returns the path of an entry below a folder."""
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
    """The objects below an address in a bucket, listed once. "/" in a name separates folders."""

    at_once = AT_ONCE

    def __init__(self, address: str) -> None:
        self.address = address

    def __getstate__(self) -> dict[str, str]:
        """Returns what another process needs, which only reads."""
        return {"address": self.address}

    def scan(self, folder: str, visible: Callable[[str], bool]) -> Iterator[tuple[str, str, Kind]]:
        """Yields name, path and kind of the entries of a folder."""
        for name, kind in self._folders.get(folder, ()):
            if visible(name):
                yield name, self.join(folder, name), kind

    def join(self, folder: str, below: str) -> str:
        """Returns the path of an entry below a folder."""
        return f"{folder}/{below}"

    def real(self, path: str) -> str:
        """Returns `path`, since there are no links."""
        return path

    def head(self, path: str, size: int) -> bytes:
        """Returns the first bytes of an object."""
        return self._asked(lambda bucket: bucket.head(self._name(path), size))

    def read(self, path: str) -> bytes:
        """Returns an object."""
        return self._asked(lambda bucket: bucket.read(self._name(path)))

    def check(self, what: str) -> None:
        """Raises `UserError` if nothing is below the address, or the bucket cannot be read.

        Args:
            what: name of the address, for messages.
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
        """By folder, (name, kind) of its entries."""
        found: dict[str, set[tuple[str, Kind]]] = {}
        for name in self._bucket.find(seconds=LISTING):
            folder = self.address
            *above, last = name.split("/")
            for part in above:
                found.setdefault(folder, set()).add((part, "folder"))
                folder = self.join(folder, part)
            if last:  # consoles make objects with a "/" at the end as folders
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
    """Returns the place of a user's folder, and its path there.

    Args:
        what: name of the setting, for messages: "data.dir".
        path: of this machine, or an address in a bucket.

    Raises:
        UserError: if there is no such folder.
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


def file_at(what: str, path: str | os.PathLike[str]) -> tuple[Place, str] | None:
    """Returns the place of a single file, and its path there; None if the path names no file.

    Args:
        what: as of `place_of`.
        path: likewise.

    Raises:
        UserError: for an address that is written wrongly, or a bucket that cannot be read.
    """
    address = bucket_address(what, path)
    if address is None:
        return (DISK, os.fspath(path)) if os.path.isfile(path) else None
    try:
        return (Objects(address.rpartition("/")[0]), address) if Bucket(address).is_object() else None
    except BucketError as error:
        raise UserError(f"{what} is {address}: {error}") from None


def _kind(entry: os.DirEntry[str]) -> Kind | None:
    """Returns the kind of an entry; None for others, such as a pipe, reading which would block."""
    with contextlib.suppress(OSError):  # of a link that leads to itself
        if entry.is_dir():
            return "folder"
        if entry.is_file():
            return "file"
        if os.path.exists(entry.path):
            return None
    return "nowhere"

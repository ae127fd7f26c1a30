"""Objects in a bucket: lists, reads, writes and removes them by name, through fsspec and its drivers.

Every call has a time limit, and an error of a driver becomes a `BucketError` of one line. Names are relative to the
address, with "/" between their parts; a bucket has no folders. Drivers are imported when they are used.
"""

import base64
import dataclasses
import errno
import functools
import re
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from jaxcnn.errors import UserError

ANSWER = 20.0
"""Time limit in seconds for a listing or a small object, including repeated tries of the driver."""
SLOWEST = 1e6
"""Least rate in bytes/s, by which the time limit grows with the size of a file."""
MOST = 2e9
"""Assumed bytes of an object whose size is not known."""
CONNECTIONS = 100
"""Most concurrent connections to a service; gcsfs has as many by default."""
PATIENCE = 120.0
"""Seconds for which `patiently` repeats a request to a bucket that does not answer."""
PAUSE = 1.0
"""Seconds between two such requests."""
Value = TypeVar("Value")
_CREDENTIALS = {
    "gs": "log in with `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS",
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run `aws configure`",
}
_OF_THE_DISK = [getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EROFS", "EFBIG") if hasattr(errno, name)]
_NO_NAME = ".none"
"""Name of an object that does not exist."""
_NEED_A_BUCKET_ALONE = ("find", "pipe_file", "put_file")


class BucketError(OSError):
    """A failed operation of a bucket, in one line that names the bucket."""

    def __init__(self, line: str, *, passing: bool = False) -> None:
        super().__init__(None, line)
        self.line = line
        self.passing = passing
        """Whether it may succeed later: the network or the service does not answer."""

    def __str__(self) -> str:
        return self.line


@dataclasses.dataclass(frozen=True)
class Entry:
    """An object in a bucket."""

    size: int
    """In bytes."""
    tag: str
    """Changes with the content."""
    md5: str = ""
    """Hexadecimal digits of the MD5, if the bucket gives it; for objects that S3 encrypts, a number that only looks
    like one."""


class Bucket:
    """The objects below an address of `jaxcnn.addresses.bucket_address`. It is cheap to make and to pickle."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._scheme, _, self._root = address.partition("://")

    def __str__(self) -> str:
        return self.address

    def __truediv__(self, name: str) -> "Bucket":
        return Bucket(f"{self.address}/{name}")

    def find(self, *below: str, seconds: float | None = None) -> dict[str, Entry]:
        """Returns the objects by name, in order: all, or those below the given parts of names.

        Args:
            below: parts of a name.
            seconds: time limit; a bucket lists 1,000 objects at a time.

        Raises:
            UserError: if the driver is not installed. BucketError: if there is no such bucket, it cannot be reached, or
                access is refused.
        """
        found = self._do("find", "/".join((self._root, *below)), detail=True, seconds=seconds or ANSWER)
        entries = {name: info for name, info in found.items() if info.get("type") == "file"}
        start = len(self._root) + 1
        return {name[start:]: _entry(info) for name, info in sorted(entries.items())}

    def read(self, name: str) -> bytes:
        """Returns the content of a small object; raises FileNotFoundError if there is none, or `BucketError`."""
        return self._do("cat_file", self._path(name), seconds=ANSWER)

    def head(self, name: str, size: int) -> bytes:
        """Returns the first bytes of an object; raises FileNotFoundError if there is none, or `BucketError`."""
        return self._head(self._path(name), size)

    def is_object(self) -> bool:
        """Returns whether the address is itself an object; raises `BucketError` if the bucket does not answer."""
        try:
            self._head(self._root if "/" in self._root else self._path(_NO_NAME), 1)
        except FileNotFoundError:
            return False
        return True

    def write(self, name: str, content: bytes) -> None:
        """Writes an object, completely or not at all."""
        self._do("pipe_file", self._path(name), content, seconds=ANSWER + len(content) / SLOWEST)

    def upload(self, path: Path, name: str) -> None:
        """Writes an object from a file, which must not change; raises FileNotFoundError if the file is gone."""
        seconds = ANSWER + path.stat().st_size / SLOWEST  # raises if the file is gone
        self._do("put_file", str(path), self._path(name), seconds=seconds)

    def download(self, name: str, path: Path, *, size: float = MOST) -> None:
        """Writes a file from an object, and makes the file's folder; raises FileNotFoundError if there is no object.

        Args:
            name: of the object.
            path: of the file.
            size: of the object in bytes, if it is known.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._do("get_file", self._path(name), str(path), seconds=ANSWER + size / SLOWEST)

    def remove(self, names: Collection[str]) -> None:
        """Removes objects; missing ones are ignored."""
        for name in names:
            try:
                self._do("rm_file", self._path(name), seconds=ANSWER)
            except FileNotFoundError:
                continue

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _head(self, path: str, size: int) -> bytes:
        try:
            return self._do("cat_file", path, start=0, end=size, seconds=ANSWER)
        except BucketError as error:
            if "range" in error.line.lower():  # an empty object has no range
                return b""
            raise

    def _do(self, call: str, *arguments: Any, seconds: float, **keywords: Any) -> Any:
        system = file_system(self._scheme)
        from fsspec.asyn import sync

        try:
            return sync(system.loop, getattr(system, f"_{call}"), *arguments, timeout=seconds, **keywords)
        except Exception as error:  # drivers raise the many kinds of their libraries
            self._explain(error, call, seconds)

    def _explain(self, error: Exception, call: str, seconds: float) -> NoReturn:
        """Raises the `BucketError` for an error of a driver; errors of the local disk are raised as they are."""
        if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
            raise error
        bucket = f"{self._scheme}://{self._root.partition('/')[0]}"
        if isinstance(error, FileNotFoundError) and call in _NEED_A_BUCKET_ALONE:
            raise BucketError(f"there is no bucket {bucket}") from None
        if isinstance(error, FileNotFoundError):
            raise FileNotFoundError(*error.args) from None
        if isinstance(error, TimeoutError):
            raise BucketError(f"{bucket} has not answered within {seconds:.3g} s", passing=True) from None
        said = " ".join(str(error).split())[:300] or type(error).__name__
        kind = type(error).__name__
        if kind in ("NoCredentialsError", "DefaultCredentialsError", "PartialCredentialsError"):
            raise BucketError(f"{bucket} needs credentials: {_CREDENTIALS[self._scheme]}") from None
        if isinstance(error, PermissionError) or getattr(error, "code", None) in (401, 403) or "Forbidden" in said:
            raise BucketError(f"{bucket} refuses access ({said}): {_CREDENTIALS[self._scheme]}") from None
        raise BucketError(f"{bucket} cannot be used: {said}", passing=True) from None


@functools.cache
def file_system(scheme: str) -> Any:
    """Returns fsspec's file system of a scheme, without a cache of listings.

    Raises:
        UserError: where its driver is not installed.
    """
    try:
        if scheme == "gs":
            from gcsfs.core import GCSFileSystem  # gcsfs's default class would ask for the bucket's kind by gRPC

            return GCSFileSystem(use_listings_cache=False)
        from s3fs import S3FileSystem

        return S3FileSystem(use_listings_cache=False, config_kwargs={"max_pool_connections": CONNECTIONS})
    except ImportError:
        install = {"gs": "gcs", "s3": "s3"}[scheme]
        raise UserError(f"{scheme}:// needs a driver: pip install 'jaxcnn[{install}]'") from None


def patiently(ask: Callable[[], Value]) -> Value:
    """Returns `ask()`, or raises its error. If the bucket does not answer, it tries again for `PATIENCE` seconds."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return ask()
        except BucketError as error:
            if not error.passing or time.monotonic() > until:
                raise
        time.sleep(PAUSE)


def _entry(info: dict[str, Any]) -> Entry:
    tag = str(info.get("generation") or info.get("ETag") or info.get("etag") or "").strip('"')
    md5 = base64.b64decode(info["md5Hash"]).hex() if "md5Hash" in info else tag
    return Entry(int(info["size"] or 0), tag, md5 if re.fullmatch("[0-9a-f]{32}", md5) else "")

"""The folder of a grid or a sweep, on a disk or in a bucket. All differences between the two are in this module.

A folder in a bucket has a copy on this machine while this process lives. It holds what runs say of themselves, and the
files beside them. The processes of runs write their folders into the bucket; this process writes the files beside them.
"""

import atexit
import concurrent.futures
import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from jaxcnn.addresses import bucket_address, local_path
from jaxcnn.buckets import Bucket, Entry, patiently
from jaxcnn.errors import UserError, say
from jaxcnn.train.files.fetch import check_names, copy_of
from jaxcnn.train.files.lease import Lease

_LISTING = 1200.0
"""Time limit in seconds for listing a bucket, which gives 1,000 names at a time."""
_AT_ONCE = 8
_SAY = ("config.json", "config_history.json", "run.json", "metrics.jsonl")
"""What is copied of a run: no weights."""
_RUN = re.compile(r"(?:.+/)?[^/]+/seed\d+/(.+)")
"""Names of the files of runs."""
_BESIDE = re.compile(r"([^/]+/){0,2}[^/]+\.(json|py)")
"""Names of the files beside runs that are copied, such as grid.json. Tables and pages are only written."""
_NOT_SENT = re.compile(r"(.*/)?(([^/]+\.)?lock|lease|[^/]+\.partial)")
Signature = tuple[int, int]
"""(bytes, time of the last change in nanoseconds) of a file."""


class Home:
    """Where a grid or a sweep is kept. On a disk, `bring`, `follow` and `send` do nothing."""

    def __init__(self, what: str, place: str | os.PathLike[str]) -> None:
        """Finds out where it is. Nothing of it is read or made yet.

        Args:
            what: name of the setting, for messages: "output".
            place: its value, a path or an address.

        Raises:
            UserError: for an address that is written wrongly, or of another kind.
        """
        self.address = bucket_address(what, place) or ""
        """In a bucket; "" on a disk."""
        self.here = _new_copy() if self.address else local_path(what, place)
        """The folder on this machine: itself, or its copy."""
        self._bucket = Bucket(self.address)
        self._known: dict[str, tuple[str, Signature]] = {}
        """Objects that the bucket has: their tags, "" where they were written from here, and their copies as made."""

    def __str__(self) -> str:
        return self.address or str(self.here)

    def __truediv__(self, name: str) -> str:
        return f"{self.address}/{name}" if self.address else str(self.here / name)

    def address_of(self, place: Path) -> str:
        """Returns the address of a folder in it, which is given as it is on this machine; "" on a disk."""
        return str(self / place.relative_to(self.here).as_posix()).removesuffix("/.") if self.address else ""

    def bring(self, *below: str) -> None:
        """Makes the copy what the bucket has now.

        Args:
            below: parts of names; only what is below them is asked for.

        Raises:
            UserError: if the bucket cannot be read.
        """
        if not self.address:
            return
        with self._asked():
            there = patiently(lambda: self._bucket.find(*below, seconds=_LISTING))
            check_names(there)
            found = {name: entry for name, entry in there.items() if _is_copied(name)}
            for name in self._names(*below) - found.keys():
                if name in self._known or _RUN.fullmatch(name):  # it was removed, or never arrived there
                    self._forget(name)
            self._download(found)

    def bring_file(self, name: str) -> None:
        """Copies one file, if the bucket has it; raises `UserError` if the bucket cannot be read."""
        if not self.address:
            return
        path = self.here / name
        with self._asked(), contextlib.suppress(FileNotFoundError):
            content = patiently(lambda: self._bucket.read(name))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            self._known[name] = "", _signature(path)

    @contextlib.contextmanager
    def training(self, place: Path) -> Iterator[None]:
        """Brings what there is of a run, and again at the end; then it also sends the files beside runs.

        Args:
            place: of the run, on this machine.

        Raises:
            UserError: if the bucket cannot be read or written.
        """
        name = place.relative_to(self.here).as_posix()
        self.bring(*name.split("/"))
        self.bring_file(f"{name}.log")  # it is appended to
        try:
            yield
        finally:
            self.bring(*name.split("/"))
            self.send()

    def follow(self, place: Path) -> None:
        """Copies what a run says that this machine trains now. The bucket has it a little later."""
        if not self.address:
            return
        working = copy_of(self.address_of(place))
        for name in _SAY:
            with contextlib.suppress(OSError):  # it is not there yet, or no longer
                if not (place / name).exists() or _signature(place / name) != _signature(working / name):
                    place.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(working / name, place / name)
                    self._known.pop((place / name).relative_to(self.here).as_posix(), None)

    def send(self) -> None:
        """Writes the files beside runs into the bucket, where they are new, and removes what was removed.

        Raises:
            UserError: if the bucket cannot be written.
        """
        if not self.address:
            return
        here = {name for name in self._names() if not _RUN.fullmatch(name) and not _NOT_SENT.fullmatch(name)}
        with self._asked():
            for name in sorted(here):
                signature = _signature(self.here / name)
                if name not in self._known or self._known[name][1] != signature:
                    self._write(name)
                    self._known[name] = "", signature
            for name in [name for name in self._known if name not in here and not _RUN.fullmatch(name)]:
                self._remove(name)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keeps other processes out of a folder in a bucket, where files have no locks. On a disk it does nothing.

        Raises:
            UserError: if another process is in it, or the bucket cannot be read or written.
        """
        if not self.address:
            yield
            return
        try:
            with self._asked():
                lease = Lease(self._bucket, self.here / "lease", say)
        except UserError as error:
            raise UserError(str(error).replace("--workdir", "--output")) from None
        with lease:
            self.bring()  # what was written before it was given back
            yield

    @contextlib.contextmanager
    def named(self) -> Iterator[None]:
        """Has errors of the user tell of the address, and not of the copy."""
        try:
            yield
        except UserError as error:
            raise UserError(str(error).replace(str(self.here), str(self))) from None

    @contextlib.contextmanager
    def _asked(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(f"the folder {self} cannot be used: {error}") from None

    def _names(self, *below: str) -> set[str]:
        """Returns the names of the copy's files."""
        paths = self.here.joinpath(*below).rglob("*")
        return {path.relative_to(self.here).as_posix() for path in paths if path.is_file()}

    def _download(self, found: Mapping[str, Entry]) -> None:
        """Copies objects that are not known in this form."""

        def bring(name: str) -> None:
            path, entry = self.here / name, found[name]
            patiently(lambda: self._bucket.download(name, path, size=entry.size))
            self._known[name] = entry.tag, _signature(path)

        new = [name for name, entry in found.items() if name not in self._known or self._known[name][0] != entry.tag]
        with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(bring, new))

    def _write(self, name: str) -> None:
        content = (self.here / name).read_bytes()
        patiently(lambda: self._bucket.write(name, content))

    def _remove(self, name: str) -> None:
        patiently(lambda: self._bucket.remove([name]))
        self._forget(name)

    def _forget(self, name: str) -> None:
        (self.here / name).unlink(missing_ok=True)
        self._known.pop(name, None)


def _is_copied(name: str) -> bool:
    of_run = _RUN.fullmatch(name)
    return of_run[1] in _SAY if of_run else _BESIDE.fullmatch(name) is not None


def _new_copy() -> Path:
    """Returns a new folder, which goes when the process ends."""
    folder = tempfile.mkdtemp(prefix="jaxcnn-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _signature(path: Path) -> Signature:
    found = path.stat()
    return found.st_size, found.st_mtime_ns

"""A run folder in a bucket: the run uses a copy on this machine, and every change is copied to the bucket.

The copy has all guarantees of a disk: orbax writes its files, metrics.jsonl grows by lines, and training never waits
for a network. Changes reach the bucket in a safe order: metrics before the checkpoint of their step, a checkpoint's
files before the marker that completes it, and new checkpoints before old ones are removed. The marker is orbax's own
for object stores, so orbax can read such a checkpoint from the bucket too.
"""

import contextlib
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType

from jaxcnn.buckets import Bucket, BucketError
from jaxcnn.errors import UnsavedError, UserError
from jaxcnn.train.files.fetch import MARKER, STEP, asked, fetch, marker
from jaxcnn.train.files.lease import Lease
from jaxcnn.train.files.lock import Lock
from jaxcnn.train.files.repeated import Repeated

INTERVAL = 3.0
"""Seconds between two searches for changes."""
LAST = 60.0
"""Seconds for which the last changes are tried at the end of a run, before it gives up."""
REMOVED = "removed"
"""Folder of the copy to which removed checkpoints are moved, so that each is always complete or absent."""
_LEASE = "lease"
"""File of the copy with the bucket's lease that was taken for it."""
_UNSENT = "unsent"
"""File of the copy which says that the bucket lacks changes."""
_NOT_CARRIED = re.compile(
    r"lock|lease|unsent|checkpoints/removed/.*|.*/commit_success\.txt|.*\.partial|.*\.orbax-checkpoint-tmp.*"
)
Signature = tuple[int, int]
"""(bytes, time of the last change in nanoseconds) of a file."""


class Mirror:
    """Copies changes of a local run folder to a bucket. As a context manager it copies the last changes on exit."""

    def __init__(self, address: str, copy: Path, say: Callable[[str], None]) -> None:
        """Locks the copy, fills it from the bucket, and begins to copy changes.

        Args:
            address: of the run folder in the bucket.
            copy: its folder on this machine.
            say: shows a line to the user.

        Raises:
            UserError: if the bucket cannot be read, the copy cannot be written, or another process uses either.
        """
        self._address, self._copy, self._say = address, copy, say
        self._bucket = Bucket(address)
        self._trouble = ""
        self._turn = threading.Lock()
        with contextlib.ExitStack() as opening, asked(address):
            copy.mkdir(parents=True, exist_ok=True, mode=0o700)
            opening.enter_context(_locked(copy, address))
            self._there = set(
                self._bucket.find()
            )  # before anything is written, so that errors of the bucket come first
            self._lease = opening.enter_context(Lease(self._bucket, copy / _LEASE, say))
            self._clear()
            self._there, brought = fetch(self._bucket, copy)
            self._sent = {name: _signature(copy / name) for name in brought}
            self._whole = {match[1] for name in brought if (match := STEP.fullmatch(name))}
            self._lock = opening.pop_all()
        self._carrying = Repeated(self._carry, INTERVAL, name="mirror")

    def __enter__(self) -> "Mirror":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._carrying.stop()
        try:
            self.flush()
        except UnsavedError as error:
            self._lock.close()
            self._say(f"warning: {error}")
        else:
            self._lock.close()
            shutil.rmtree(self._copy, ignore_errors=True)

    def flush(self) -> None:
        """Copies all changes to the bucket; raises `UnsavedError` if this is not done after `LAST` seconds."""
        until = time.monotonic() + LAST
        while not self._carry():
            if time.monotonic() >= until:
                raise UnsavedError(f"{self._trouble or self._address}; what is missing there is in {self._copy}")
            time.sleep(1.0)

    def _carry(self) -> bool:
        """Copies changes to the bucket once; returns whether all are copied."""
        with self._turn:
            try:
                if self._lease.lost:
                    raise BucketError(self._lease.lost)
                whole = self._carry_files()
            except FileNotFoundError:  # orbax has removed a checkpoint meanwhile
                return False
            except OSError as error:
                if not self._trouble:
                    self._say(f"warning: {error}; the run goes on, and what is new is kept in {self._copy} for later")
                self._trouble = f"{self._address} lacks what is new: {error}"
                (self._copy / _UNSENT).touch()
                return False
            if self._trouble:
                self._say(f"{self._address} can be written again, and has all that was kept for it")
                (self._copy / _UNSENT).unlink(missing_ok=True)
                self._trouble = ""
            return whole

    def _carry_files(self) -> bool:
        shutil.rmtree(self._copy / "checkpoints" / REMOVED, ignore_errors=True)
        local = self._local()
        steps = {name: match[1] for name in local if (match := STEP.fullmatch(name))}
        for name in local:
            if name not in steps:
                self._send(name, local)
        self._remove([name for name in self._sent if name not in local and not STEP.fullmatch(name)])
        whole = [
            self._carry_step(step, {name: local[name] for name in steps if steps[name] == step})
            for step in sorted(set(steps.values()), key=int)
        ]
        there = {name: match[1] for name in self._there if (match := STEP.fullmatch(name))}
        for step in sorted(set(there.values()) - set(steps.values())):
            self._remove([marker(step)])
            self._remove([name for name in there if there[name] == step])
        return all(whole)

    def _carry_step(self, step: str, local: Mapping[str, Signature]) -> bool:
        """Copies a checkpoint to the bucket; returns whether it is complete there."""
        old = {name for name in self._there if _is_of(name, step) and not name.endswith(MARKER)} - local.keys()
        if step in self._whole and not old and all(self._sent.get(name) == local[name] for name in local):
            return True
        self._whole.discard(step)
        self._remove([marker(step)])
        for name in local:
            self._send(name, local)
        self._remove(old)
        if local != {name: signature for name, signature in self._local().items() if _is_of(name, step)}:
            return False  # it has been removed meanwhile
        items = {name.split("/")[2] for name in local if name.count("/") > 2}
        for name in (*(f"checkpoints/{step}/{item}/{MARKER}" for item in sorted(items)), marker(step)):
            self._there.add(name)
            self._bucket.write(name, b"")
        self._whole.add(step)
        return True

    def _send(self, name: str, local: Mapping[str, Signature]) -> None:
        """Writes a file to the bucket, if it has changed since the last time."""
        if self._sent.get(name) == local[name]:
            return
        self._there.add(name)  # a write that fails may have written it
        if name.startswith("checkpoints/"):
            self._bucket.upload(self._copy / name, name)
        else:  # it may grow meanwhile
            self._bucket.write(name, (self._copy / name).read_bytes())
        self._sent[name] = local[name]

    def _remove(self, names: Iterable[str]) -> None:
        for name in sorted(set(names) & self._there):
            self._bucket.remove([name])
            self._there.discard(name)
            self._sent.pop(name, None)

    def _local(self) -> dict[str, Signature]:
        """Returns the files of the copy that belong into the bucket, with their signatures."""
        paths = (path for path in self._copy.rglob("*") if path.is_file())
        names = {path.relative_to(self._copy).as_posix(): path for path in paths}
        return {name: _signature(path) for name, path in sorted(names.items()) if not _NOT_CARRIED.fullmatch(name)}

    def _clear(self) -> None:
        """Empties the copy. Changes that an earlier start could not copy are moved beside it, and a line says so."""
        left = [path for path in self._copy.iterdir() if path.name not in ("lock", _LEASE)]
        aside = None
        if (self._copy / _UNSENT).exists():
            aside = tempfile.mkdtemp(prefix=f"{self._copy.name}-unsent-", dir=self._copy.parent)
            self._say(f"warning: what could not be carried over to {self._address} before is now in {aside}")
        for path in left:
            if aside:
                shutil.move(path, aside)
            elif path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _locked(copy: Path, address: str) -> Lock:
    try:
        return Lock(copy)
    except UserError as error:
        raise UserError(str(error).replace(str(copy), address)) from None


def _is_of(name: str, step: str) -> bool:
    return name.startswith(f"checkpoints/{step}/")


def _signature(path: Path) -> Signature:
    found = path.stat()
    return found.st_size, found.st_mtime_ns

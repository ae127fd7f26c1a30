"""A lock on a folder of a bucket: an object that its owner writes again and again.

A bucket has no locks that end with a process. A process that finds the object therefore watches it: if it changes, the
folder is in use; if not, its owner is gone.
"""

import contextlib
import os
import socket
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from jaxcnn.buckets import Bucket
from jaxcnn.errors import UserError
from jaxcnn.train.files.repeated import Repeated

NAME = "lock"
BEAT = 10.0
"""Seconds between two writes of the owner."""
PATIENCE = 25.0
"""Seconds without a change after which the owner counts as gone."""


class Lease:
    """The right to write below an address. As a context manager it is released on exit."""

    def __init__(self, bucket: Bucket, mark: Path, say: Callable[[str], None]) -> None:
        """Takes it.

        Args:
            bucket: with the address.
            mark: a local file with the last lease that this machine took; the owner of that lease is gone.
            say: shows a line to the user.

        Raises:
            UserError: if another process has the lease.
            BucketError: if the bucket cannot be read or written.
        """
        self._bucket, self._say = bucket, say
        self._owner = f"process {os.getpid()} on {socket.gethostname()}"
        self._own = uuid.uuid4().hex
        self.lost = ""
        """A line that says who has taken the lease since, else ""."""
        taken_here = mark.read_text(encoding="utf-8") if mark.exists() else ""
        if (found := self._read()) and not (taken_here and found.startswith(taken_here)):
            self._wait_for(found)
        mark.write_text(self._own, encoding="utf-8")
        self._beat = 0
        self._write()
        self._renewing = Repeated(self._renew, BEAT, name="lease")

    def __enter__(self) -> "Lease":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._renewing.stop()
        with contextlib.suppress(OSError):
            if self._read().startswith(self._own):
                self._bucket.remove([NAME])

    def _wait_for(self, found: str) -> None:
        """Waits until the owner counts as gone."""
        owner = found.partition(" ")[2].partition(",")[0]
        where = self._bucket.address
        self._say(f"{where} was in use by {owner}: looking for {PATIENCE:g} s whether it still is")
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            time.sleep(min(1.0, PATIENCE / 10))
            now = self._read()
            if not now:
                return
            if now != found:
                raise UserError(f"{where} is in use by {owner}: wait for it, or use another --workdir")

    def _renew(self) -> None:
        """Writes the lease again, unless somebody else has taken it."""
        if self.lost:
            return
        self._beat += 1
        with contextlib.suppress(OSError):  # tried again at the next beat
            found = self._read()
            if found and not found.startswith(self._own):
                taken_by = found.partition(" ")[2].partition(",")[0]
                self.lost = f"{self._bucket.address} has been taken over by {taken_by}, and is no longer written"
            else:
                self._write()

    def _read(self) -> str:
        try:
            return self._bucket.read(NAME).decode(errors="replace")
        except FileNotFoundError:
            return ""

    def _write(self) -> None:
        self._bucket.write(NAME, f"{self._own} {self._owner}, {self._beat}\n".encode())

"""A lock between processes. The operating system holds it, and releases it when the process ends in any way."""

import contextlib
import os
import socket
import time
from pathlib import Path
from types import TracebackType

from filelock import lock_descriptor

_LOOK = 0.5
"""Seconds between two tries for a lock that another process has."""
_TURNS = 100
"""Most tries to lock the file. On some file systems an open file never appears to be the one at its path."""


class Held(Exception):  # noqa: N818
    """Another process has the lock; the message says which one."""


class FileLock:
    """A lock on a file. The file is made if it is missing, and contains the name of the process with the lock."""

    def __init__(self, path: Path) -> None:
        """Takes the lock, or fails at once.

        Raises:
            Held: if another process has the lock.
            OSError: if the file cannot be written.
        """
        self.path = path
        self._open()
        for _ in range(_TURNS):
            if not self.works or self._is_in_place():
                break
            self._file.close()  # the process that had the lock removed this file meanwhile
            self._open()
        with contextlib.suppress(OSError):  # on a full disk the lock works, but the file does not name the process
            os.truncate(self._file.fileno(), 0)
            os.write(self._file.fileno(), f" process {os.getpid()} on {socket.gethostname()}\n".encode())

    def __enter__(self) -> "FileLock":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._file.close()

    def remove(self) -> None:
        """Removes the file and releases the lock."""
        with contextlib.suppress(OSError):
            self.path.unlink()
        self._file.close()
        if os.name == "nt":  # Windows cannot remove an open file
            with contextlib.suppress(OSError):
                self.path.unlink()

    def _open(self) -> None:
        self._file = self.path.open("a+b", buffering=0)
        self.works = True
        """Whether the lock keeps others out. Some file systems have no locks."""
        try:
            taken = lock_descriptor(self._file.fileno(), blocking=False)
        except OSError:
            self.works = False
            return
        if not taken:
            owner = self._owner()
            self._file.close()
            raise Held(owner)

    def _owner(self) -> str:
        self._file.seek(1)  # Windows locks the first byte for reading too
        return self._file.read().decode(errors="replace").strip() or "another process"

    def _is_in_place(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), self.path.stat())
        except OSError:
            return False


def wait_for(path: Path) -> FileLock:
    """Returns the lock on a file, once no other process has it.

    Raises:
        OSError: if the file cannot be written.
    """
    while True:
        try:
            return FileLock(path)
        except Held:
            time.sleep(_LOOK)

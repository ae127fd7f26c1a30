"""One process at a time, by a lock that the operating system holds: it ends with the process, however that ends."""

import contextlib
import os
import socket
from pathlib import Path
from types import TracebackType

from filelock import lock_descriptor

_TURNS = 100
"""How often a lock is taken anew; there are file systems where an open file is never the one of its name."""


class Held(Exception):  # noqa: N818
    """Another process has the lock; the message says which one."""


class FileLock:
    """A lock on a file, which is made where it is not there, and holds the name of the process that has the lock."""

    def __init__(self, path: Path) -> None:
        """Takes the lock, without waiting for it.

        Raises:
            Held: another process has it.
            OSError: the file cannot be written.
        """
        self.path = path
        self._open()
        for _ in range(_TURNS):
            if not self.works or self._is_in_place():
                break
            self._file.close()  # whoever had it has taken the file away meanwhile
            self._open()
        with contextlib.suppress(OSError):  # on a full disk the lock holds, and only does not say whose it is
            os.truncate(self._file.fileno(), 0)
            os.write(self._file.fileno(), f" process {os.getpid()} on {socket.gethostname()}\n".encode())

    def __enter__(self) -> "FileLock":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._file.close()

    def remove(self) -> None:
        """Takes the file away and gives the lock back."""
        with contextlib.suppress(OSError):
            self.path.unlink()
        self._file.close()
        if os.name == "nt":  # which takes no open file away
            with contextlib.suppress(OSError):
                self.path.unlink()

    def _open(self) -> None:
        self._file = self.path.open("a+b", buffering=0)
        self.works = True
        """Whether others are kept out: there are file systems without locks."""
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

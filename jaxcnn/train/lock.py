"""One run in a folder at a time."""

import contextlib
import fcntl
import os
import socket
from pathlib import Path
from types import TracebackType

from jaxcnn.errors import UserError


class Lock:
    """A lock on a run folder that the operating system holds, so that it ends with the process, however that ends."""

    def __init__(self, folder: Path) -> None:
        """Takes the lock.

        Raises:
            UserError: another process has it, or the folder cannot be written.
        """
        try:
            self._file = (folder / "lock").open("a+")
        except OSError as error:
            raise UserError(f"the work folder {folder} cannot be written: {error.strerror}") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            owner = self._file.read().strip() or "another process"
            self._file.close()
            raise UserError(f"{folder} is in use by {owner}: wait for it, or use another --workdir") from None
        except OSError:  # a file system without locks
            return
        with contextlib.suppress(OSError):  # on a full disk the lock holds, and only does not say whose it is
            os.truncate(self._file.fileno(), 0)
            os.write(self._file.fileno(), f"process {os.getpid()} on {socket.gethostname()}\n".encode())

    def __enter__(self) -> "Lock":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._file.close()

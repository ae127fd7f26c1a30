"""One run in a folder at a time."""

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
            UserError: another process has it.
        """
        self._file = (folder / "lock").open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            owner = self._file.read().strip() or "another process"
            self._file.close()
            raise UserError(f"{folder} is in use by {owner}: wait for it, or use another --workdir") from None
        except OSError:  # a file system without locks
            return
        self._file.truncate(0)
        self._file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        self._file.flush()

    def __enter__(self) -> "Lock":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._file.close()

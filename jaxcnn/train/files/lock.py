"""One run in a folder at a time."""

from pathlib import Path

from jaxcnn import locks
from jaxcnn.errors import UserError


class Lock(locks.FileLock):
    """A lock on a run folder."""

    def __init__(self, folder: Path) -> None:
        """Takes the lock.

        Raises:
            UserError: if another process has the lock, or the folder cannot be written.
        """
        try:
            super().__init__(folder / "lock")
        except locks.Held as owner:
            raise UserError(f"{folder} is in use by {owner}: wait for it, or use another --workdir") from None
        except OSError as error:
            raise UserError(f"the work folder {folder} cannot be written: {error.strerror}") from None

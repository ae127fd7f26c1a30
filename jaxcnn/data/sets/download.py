"""Downloads official files."""

import contextlib
import hashlib
import http.client
import os
import urllib.request
from pathlib import Path

from rich.progress import Progress, TaskID

from jaxcnn.data.catalog import DatasetInfo, SourceFile
from jaxcnn.data.read.transfers import byte_bar
from jaxcnn.errors import UserError

_TIMEOUT = 30  # seconds without an answer or a byte
_CHUNK = 2**20  # bytes


def download(info: DatasetInfo, folder: Path) -> None:
    """Downloads the official files of a data set to `folder`, except those that are already there.

    Raises:
        UserError: if a file cannot be downloaded or has another checksum. The message names the files to download by
            hand.
    """
    if not info.files:
        raise UserError(
            f"{info.name} is not for everyone to download: get its files from {info.homepage} and give their folder as "
            "--from DIR"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be made: {error.strerror}") from None
    with byte_bar() as progress:
        for file in info.files.values():
            path = folder / file.name
            if not (path.is_file() and _sha256(path) == file.sha256):
                _fetch(info, file, path, progress)


def _fetch(info: DatasetInfo, file: SourceFile, path: Path, progress: Progress) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        _copy(file.url, partial, progress.add_task(file.name, total=None), progress)
        if _sha256(partial) != file.sha256:
            raise OSError("not the file that its authors published (sha256)")
        partial.replace(path)
    except (OSError, http.client.HTTPException) as error:
        names = ", ".join(each.name for each in info.files.values())
        reason = " ".join(str(getattr(error, "reason", error)).split())
        raise UserError(
            f"cannot download {file.url}: {reason}; bring {names} into a folder yourself and give it as --from DIR"
        ) from None
    finally:
        partial.unlink(missing_ok=True)


def _copy(url: str, path: Path, task: TaskID, progress: Progress) -> None:
    with contextlib.closing(urllib.request.urlopen(url, timeout=_TIMEOUT)) as answer, path.open("wb") as out:
        length = answer.headers.get("Content-Length")
        progress.update(task, total=int(length) if length else None)
        while chunk := answer.read(_CHUNK):
            out.write(chunk)
            progress.advance(task, len(chunk))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

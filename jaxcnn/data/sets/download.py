"""Downloads official files, and copies them from a bucket."""

import contextlib
import hashlib
import http.client
import os
import urllib.request
from pathlib import Path

from rich.progress import Progress, TaskID

from jaxcnn.buckets import Bucket, BucketError
from jaxcnn.data.catalog import DatasetInfo, SourceFile
from jaxcnn.data.read.transfers import byte_bar, transfer
from jaxcnn.data.sets.archives.files import plain_name
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


def fetch(info: DatasetInfo, address: str, folder: Path) -> None:
    """Copies the official files of a data set from a bucket to `folder`, except those that are there in full size.

    Raises:
        UserError: if the bucket cannot be read or has no such files, the disk cannot be written, or the data set has no
            list of files, as ImageNet, whose archives are too large to be copied first.
    """
    if not info.files:
        raise UserError(f"--from is {address}: bring the files of {info.name} to a disk, and give their folder")
    bucket, official = Bucket(address), {plain_name(file.name) for file in info.files.values()}
    try:
        objects = bucket.find().items()
        sizes = {name: entry.size for name, entry in objects if plain_name(name.rpartition("/")[2]) in official}
        if not sizes:
            names = ", ".join(file.name for file in info.files.values())
            raise UserError(f"--from is {address}: none of the files of {info.name} is there, which are {names}")
        missing = {name: size for name, size in sizes.items() if _size(folder / name) != size}
        transfer(address, missing, lambda name: bucket.download(name, folder / name, size=sizes[name]))
    except BucketError as error:
        raise UserError(f"--from is {address}: {error}") from None
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror or error}") from None


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _fetch(info: DatasetInfo, file: SourceFile, path: Path, progress: Progress) -> None:
    """Downloads a file and checks it; raises `UserError` if that fails.

    Args:
        info: entry of the data set.
        file: its address and checksum.
        path: to write to, when it is complete.
        progress: shows the bytes.
    """
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
    """Writes what an address returns to a file.

    Args:
        url: to read.
        path: of the file.
        task: of `progress`.
        progress: shows the bytes.
    """
    with contextlib.closing(urllib.request.urlopen(url, timeout=_TIMEOUT)) as answer, path.open("wb") as out:
        length = answer.headers.get("Content-Length")
        progress.update(task, total=int(length) if length else None)
        while chunk := answer.read(_CHUNK):
            out.write(chunk)
            progress.advance(task, len(chunk))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

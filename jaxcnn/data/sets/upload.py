"""Uploads a prepared data set to a bucket. The file that makes it readable is uploaded last."""

from collections.abc import Mapping
from pathlib import Path

from jaxcnn.buckets import Bucket, BucketError, Entry, patiently
from jaxcnn.data.read.prepared import INFO_FILE
from jaxcnn.data.read.transfers import md5_of, transfer
from jaxcnn.errors import UserError


def upload(folder: Path, bucket: Bucket) -> None:
    """Uploads the files of a prepared data set. Files that are already in the bucket are not sent again.

    Other objects at the address are from an interrupted upload, and are removed first.

    Args:
        folder: of the data set's version.
        bucket: address of its new folder.

    Raises:
        UserError: if the bucket cannot be written.
    """
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir()) if path.is_file()}
    info = {INFO_FILE: sizes.pop(INFO_FILE)}
    try:
        there = patiently(bucket.find)
        patiently(lambda: bucket.remove([name for name in there if name not in sizes]))
        _send(folder, bucket, {name: size for name, size in sizes.items() if not _is_there(folder / name, there)})
        there = patiently(bucket.find)
        if lost := [name for name, size in sizes.items() if name not in there or there[name].size != size]:
            raise UserError(f"{bucket}/{lost[0]} is not what was sent: is something else writing there?")
        _send(folder, bucket, info)
    except BucketError as error:
        raise UserError(
            f"cannot write {bucket}: {error}; what is prepared is kept in {folder}: the same command goes on from it"
        ) from None


def _send(folder: Path, bucket: Bucket, sizes: Mapping[str, int]) -> None:
    transfer(f"writing {bucket}", sizes, lambda name: patiently(lambda: bucket.upload(folder / name, name)))


def _is_there(path: Path, there: Mapping[str, Entry]) -> bool:
    entry = there.get(path.name)
    return bool(entry and entry.size == path.stat().st_size and entry.md5 and entry.md5 == md5_of(path))

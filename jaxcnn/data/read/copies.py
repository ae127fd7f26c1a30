"""Local copies of prepared data sets in buckets. A copy is made once, checked, and shared by all later runs.

The name of a copy's folder is a hash of what the bucket contains. If objects change, there is another copy, and runs
that read the old one are not disturbed. A file gets its name when it is complete.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from jaxcnn.addresses import local_path
from jaxcnn.buckets import Bucket, BucketError, Entry, patiently
from jaxcnn.data.read.prepared import Prepared
from jaxcnn.data.read.transfers import in_words, md5_of, transfer
from jaxcnn.errors import UserError
from jaxcnn.locks import wait_for
from jaxcnn.runtime import user_cache

CACHE = "JAXCNN_DATA_CACHE"
"""The environment variable that names the folder of all copies."""
_SHARD = re.compile(r".*-\d{5,}-of-\d{5,}")
_TRIES = 3
"""Most tries to fetch an object that differs from the bucket's description."""


def cache_folder() -> Path:
    """Returns the folder of all copies: $JAXCNN_DATA_CACHE, or "data" in our folder of the user's caches.

    Raises:
        UserError: for a user without a home.
    """
    try:
        return local_path(CACHE, os.environ[CACHE]) if os.environ.get(CACHE) else user_cache() / "data"
    except RuntimeError:
        raise UserError(f"data in a bucket are copied to this machine: {CACHE} must say in which folder") from None


def brought(found: Prepared, splits: Collection[str]) -> Path:
    """Returns the local folder with these splits of a prepared data set, which is copied if it is in a bucket.

    Raises:
        UserError: if the bucket cannot be read, or the copy cannot be written.
    """
    if isinstance(found.place, Path):
        return found.place
    folder = cache_folder() / f"{_title(found.place)}-{_digest(found)}"
    wanted = {name: entry for name, entry in found.objects.items() if _is_wanted(name, splits)}
    try:
        if _missing(folder, wanted):
            folder.mkdir(parents=True, exist_ok=True)
            with _alone(folder):
                _fetch(found.place, folder, _missing(folder, wanted))
    except BucketError as error:
        raise UserError(f"{found.place} cannot be copied to this machine: {error}") from None
    except OSError as error:
        raise UserError(f"{found.place} cannot be copied to {folder}: {error.strerror or error}") from None
    return folder


def of_copy(origin: str, folder: Path) -> str:
    """Returns a remark about a data set that is read from a copy."""
    size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    return f"read from a copy of {origin} in {folder} ({in_words(size)}), which later runs use too ({CACHE})"


def _title(place: Bucket) -> str:
    """Returns the name and version of a data set, so that people recognise the folder."""
    return "-".join(re.sub(r"[^\w.-]", "_", part) for part in place.address.split("/")[-2:])


def _digest(found: Prepared) -> str:
    objects = {name: (entry.size, entry.tag) for name, entry in found.objects.items()}
    return hashlib.sha256(json.dumps([str(found.place), objects], sort_keys=True).encode()).hexdigest()[:12]


def _is_wanted(name: str, splits: Collection[str]) -> bool:
    """Returns whether an object is needed: it is a shard of one of the splits, or not a shard."""
    return "/" not in name and (not _SHARD.fullmatch(name) or any(f"-{split}.array_record" in name for split in splits))


def _missing(folder: Path, wanted: Mapping[str, Entry]) -> dict[str, Entry]:
    """Returns the objects that the copy lacks."""
    there = {path.name: path.stat().st_size for path in folder.glob("*") if path.is_file()}
    return {name: entry for name, entry in wanted.items() if there.get(name) != entry.size}


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Waits until no other process makes the copy; removes what a killed process has left."""
    with wait_for(folder / "lock") as lock:
        for left in folder.glob("*.partial") if lock.works else ():
            left.unlink(missing_ok=True)
        yield


def _fetch(bucket: Bucket, folder: Path, wanted: Mapping[str, Entry]) -> None:
    if not wanted:  # another process has fetched them
        return
    sizes = {name: entry.size for name, entry in wanted.items()}
    needed, free = sum(sizes.values()), shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"{folder} has {in_words(free)} free, where {in_words(needed)} of {bucket} are needed: {CACHE} may name "
            "another folder"
        )
    transfer(f"copying {bucket}", sizes, lambda name: _fetch_one(bucket, name, wanted[name], folder / name))
    there = patiently(bucket.find)
    if changed := [name for name in wanted if there.get(name) != wanted[name]]:
        for name in changed:
            (folder / name).unlink()
        raise UserError(f"{bucket}/{changed[0]} has changed while it was copied: start again")


def _fetch_one(bucket: Bucket, name: str, entry: Entry, path: Path) -> None:
    """Fetches an object and checks it.

    If its MD5 differs from the bucket's, it is fetched again. If two fetches agree it is accepted, since S3 gives
    another number for objects that it encrypts.

    Args:
        bucket: of the object.
        name: of the object.
        entry: its size and MD5.
        path: of the file.
    """
    partial, before = path.with_name(f"{name}.{os.getpid()}.partial"), ""
    try:
        for _ in range(_TRIES):
            patiently(lambda: bucket.download(name, partial, size=entry.size))
            whole = partial.stat().st_size == entry.size
            found = md5_of(partial) if entry.md5 and whole else ""
            if whole and found in (entry.md5, before):
                partial.replace(path)
                return
            before = found or "none"
    except FileNotFoundError:
        raise UserError(f"{bucket}/{name} is gone: start again") from None
    finally:
        partial.unlink(missing_ok=True)
    raise UserError(f"{bucket}/{name} does not arrive whole, or changes meanwhile: start again")

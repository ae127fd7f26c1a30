"""Downloads a run folder from a bucket: what a run needs to resume, or what a reader needs."""

import concurrent.futures
import contextlib
import getpass
import hashlib
import os
import re
import tempfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from jaxcnn.addresses import bucket_address
from jaxcnn.buckets import Bucket, BucketError
from jaxcnn.errors import UserError

MARKER = "commit_success.txt"
"""Name of the object that completes a checkpoint. Orbax writes it locally; in the bucket it is written last."""
STEP = re.compile(r"checkpoints/(\d+)/.+")
"""Pattern of the names of a checkpoint's files."""
_AT_ONCE = 8
_FETCHED = re.compile(r"(config|config_history|run)\.json|metrics\.jsonl|output\.log|predictions/\w+\.npz")
_DAMAGED = re.compile(r"(checkpoints/damaged-[\d-]+)/.+")


def copy_of(address: str) -> Path:
    """Returns the path of this machine's copy of a run folder: always the same, below the folder of temporary files."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as in containers
        user = "nobody"
    return Path(tempfile.gettempdir()) / f"jaxcnn-{user}" / hashlib.sha256(address.encode()).hexdigest()[:16]


@contextlib.contextmanager
def run_here(run: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives the folder of a run on this machine, for reading: of a run in a bucket a temporary copy.

    Raises:
        UserError: for an address that is written wrongly, or a bucket that cannot be read.
    """
    address = bucket_address("RUN", run)
    with fetched(address) if address else contextlib.nullcontext(Path(run).expanduser()) as place:
        yield place


@contextlib.contextmanager
def fetched(address: str) -> Iterator[Path]:
    """Gives a temporary copy of a run folder in a bucket, for reading.

    Raises:
        UserError: if the bucket cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="jaxcnn-", ignore_cleanup_errors=True) as copy:
        with asked(address):
            fetch(Bucket(address), Path(copy))
        yield Path(copy)


@contextlib.contextmanager
def asked(address: str) -> Iterator[None]:
    """Turns errors of the bucket or the copy into `UserError`."""
    try:
        yield
    except OSError as error:
        raise UserError(f"the run folder {address} cannot be used: {error}") from None


def fetch(bucket: Bucket, folder: Path) -> tuple[set[str], list[str]]:
    """Downloads what a run needs to resume into a folder. Returns the names of all objects, and of the downloaded ones.

    Checkpoints without a marker, and damaged ones that were set aside, are not downloaded.

    Raises:
        BucketError: for a name that would lead out of the folder; nothing is then downloaded.
    """
    there = set(bucket.find())
    check_names(there)
    brought = [name for name in there if _FETCHED.fullmatch(name) or _in_a_checkpoint(name, there)]
    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(lambda name: bucket.download(name, folder / name), brought))
    (folder / "checkpoints").mkdir(exist_ok=True)
    for name in there:
        if damaged := _DAMAGED.fullmatch(name):
            (folder / damaged[1]).mkdir(parents=True, exist_ok=True)
    return there, brought


def check_names(names: Iterable[str]) -> None:
    """Raises `BucketError` for a name that would lead out of the folder into which its object is copied."""
    for name in names:
        if name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name):
            raise BucketError(f"the name of its object {name!r} leads out of it; remove that object")


def _in_a_checkpoint(name: str, there: Collection[str]) -> bool:
    """Returns whether an object is a file of a complete checkpoint."""
    step = STEP.fullmatch(name)
    return bool(step and marker(step[1]) in there)


def marker(step: str) -> str:
    """Returns the name of a checkpoint's marker."""
    return f"checkpoints/{step}/{MARKER}"

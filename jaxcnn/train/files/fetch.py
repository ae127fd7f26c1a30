"""What a run folder in a bucket has, brought to this machine: all that a run goes on from, or a reader asks for."""

import concurrent.futures
import contextlib
import getpass
import hashlib
import re
import tempfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from jaxcnn.buckets import Bucket, BucketError
from jaxcnn.errors import UserError

MARKER = "commit_success.txt"
"""The object that makes a checkpoint of what lies beside it: here orbax writes it, there it is written last."""
STEP = re.compile(r"checkpoints/(\d+)/.+")
"""Names of what lies in a checkpoint."""
_AT_ONCE = 8
_FETCHED = re.compile(r"(config|config_history|run)\.json|metrics\.jsonl|output\.log")
_DAMAGED = re.compile(r"(checkpoints/damaged-[\d-]+)/.+")


def copy_of(address: str) -> Path:
    """Returns where this machine's copy of a run folder lies: always the same, below $TMPDIR or what stands for it."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # one without a name, as in containers
        user = "nobody"
    return Path(tempfile.gettempdir()) / f"jaxcnn-{user}" / hashlib.sha256(address.encode()).hexdigest()[:16]


@contextlib.contextmanager
def fetched(address: str) -> Iterator[Path]:
    """Gives a copy of a run folder in a bucket to look at, which is removed afterwards.

    Raises:
        UserError: where the bucket cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="jaxcnn-") as copy:
        with asked(address):
            fetch(Bucket(address), Path(copy))
        yield Path(copy)


@contextlib.contextmanager
def asked(address: str) -> Iterator[None]:
    """Raises `UserError` where the bucket or the copy cannot be used."""
    try:
        yield
    except OSError as error:
        raise UserError(f"the run folder {address} cannot be used: {error}") from None


def fetch(bucket: Bucket, folder: Path) -> tuple[set[str], list[str]]:
    """Brings what a run goes on from into a folder; returns the names of all that there is, and of what was brought.

    Of checkpoints that were set aside only the names are brought. What has no marker is no checkpoint.

    Raises:
        BucketError: for a name that would lead out of the folder; nothing is brought then.
    """
    there = set(bucket.find())
    _check_names(there)
    brought = [name for name in there if _FETCHED.fullmatch(name) or _in_a_checkpoint(name, there)]
    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(lambda name: bucket.download(name, folder / name), brought))
    (folder / "checkpoints").mkdir(exist_ok=True)
    for name in there:
        if damaged := _DAMAGED.fullmatch(name):
            (folder / damaged[1]).mkdir(parents=True, exist_ok=True)
    return there, brought


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        if name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name):
            raise BucketError(f"the name of its object {name!r} leads out of it; remove that object")


def _in_a_checkpoint(name: str, there: Collection[str]) -> bool:
    """Returns whether an object is a file of a checkpoint that is whole."""
    step = STEP.fullmatch(name)
    return bool(step and marker(step[1]) in there)


def marker(step: str) -> str:
    """Returns the name of the marker of a checkpoint."""
    return f"checkpoints/{step}/{MARKER}"

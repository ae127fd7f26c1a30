"""Moves files from or to a bucket, several at a time, with a progress bar on a terminal."""

import hashlib
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

AT_ONCE = 8


def byte_bar() -> Progress:
    """Returns a bar that counts bytes, on standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    return Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())


def transfer(label: str, sizes: Mapping[str, int], move: Callable[[str], None]) -> None:
    """Moves files. After a failure no other file is begun.

    Args:
        label: of the bar.
        sizes: in bytes, by name.
        move: moves the file of a name; called in threads.
    """
    with byte_bar() as bar, ThreadPoolExecutor(AT_ONCE) as pool:
        task = bar.add_task(label, total=sum(sizes.values()))
        try:
            for name, _ in zip(sizes, pool.map(move, sizes), strict=True):
                bar.advance(task, sizes[name])
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def md5_of(path: Path) -> str:
    """Returns the MD5 of a file in hexadecimal digits, as buckets store it. It does not protect against forgery."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def in_words(size: float) -> str:
    """Returns a number of bytes as text: "11.6 MB"."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"

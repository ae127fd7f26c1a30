"""A progress bar for what takes more than two seconds."""

import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

PATIENCE = 2.0
"""Seconds after which a bar is shown."""


class Reached(Protocol):
    """Is told how far the work is."""

    def __call__(self, done: int, what: str | None = None) -> None:
        """Shows that so much is done, and what comes next, if that has another name."""


@contextlib.contextmanager
def waiting(what: str, total: int, *, alike: bool = True) -> Iterator[Reached]:
    """Shows a bar on a terminal's standard error while the block runs, from the third second on.

    Args:
        what: is being done, or counted.
        total: how much there is to do.
        alike: whether each part takes as long as any other, so that the time that is left can be told. Else the bar
            tells the time that has gone.
    """
    time: ProgressColumn = TimeRemainingColumn() if alike else TimeElapsedColumn()
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), time
    shown = sys.stderr.isatty()
    progress = Progress(*columns, console=Console(stderr=True), transient=True, disable=not shown)
    task = progress.add_task(what, total=total)
    timer = threading.Timer(PATIENCE, progress.start)
    timer.daemon = True

    def reached(done: int, what: str | None = None) -> None:
        progress.update(task, completed=min(done, total), description=what)

    if shown:
        timer.start()
    try:
        yield reached
    finally:
        if shown:
            timer.cancel()
            timer.join()
        progress.stop()

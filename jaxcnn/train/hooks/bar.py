"""The bar of a training on a terminal, and the time that is left."""

import contextlib
import sys
import time
from collections.abc import Iterable
from typing import IO, Any, cast

import rich.progress
from rich.console import Console, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

_WIDEST, _NARROWEST = 24, 8
"""Characters of the bar."""
GAP = 2
"""Spaces between the parts of a line."""


def standard_output() -> Console:
    """Returns the console. A file is not a terminal, whatever the environment says about colours."""
    terminal = sys.stdout.isatty()
    file = cast(IO[str], _Outlet(sys.stdout))
    return Console(file=file, force_terminal=terminal, highlight=False, emoji=False, soft_wrap=True)


class _Outlet:
    """A stream whose writes never fail; otherwise rich would end the process, or the thread that redraws the bar."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Pace:
    """The pace of steps, including all that happens between them, from the first compiled step on."""

    def __init__(self, total: int) -> None:
        self._total, self._step = total, 0
        self._first: int | None = None

    def begin(self, step: int) -> None:
        """Begins at `step`, unless it has already begun."""
        if self._first is None:
            self._first, self._began = step, time.monotonic()

    def reach(self, step: int) -> None:
        """Notes that `step` is reached."""
        self._step = step

    def left(self) -> float | None:
        """Returns the seconds to the last step; None if they are not known, and at that step."""
        if self._first is None or not self._first < self._step < self._total:
            return None
        return (time.monotonic() - self._began) / (self._step - self._first) * (self._total - self._step)


class Bar(rich.progress.Progress):
    """One row. On a narrow terminal it drops images/s, then accuracy, then loss."""

    def get_renderables(self) -> Iterable[RenderableType]:
        """Yields the row of each task."""
        for task in self.tasks:
            yield _row(task, self.console.width)


def _row(task: rich.progress.Task, width: int) -> Table:
    total, bar = int(task.total or 0), "bar"
    steps, left = f"{int(task.completed):>{len(str(total))}}/{total} steps", task.fields["left"]
    shown: list[str] = []
    room = width + GAP
    for text in filter(None, (steps, left, bar, *task.fields["details"])):  # the most important first
        taken = GAP + (_NARROWEST if text == bar else len(text))
        if taken > room:
            break
        shown.append(text)
        room -= taken
    cells: dict[str, RenderableType] = {
        bar: ProgressBar(total=total, completed=task.completed, width=min(_WIDEST, _NARROWEST + room)),
        steps: Text(steps, "progress.download"),
        **{text: Text(text) for text in task.fields["details"]},
        left: Text(left, "progress.remaining"),
    }
    row = Table.grid(*(Column(no_wrap=True) for _ in shown), padding=(0, GAP, 0, 0))
    row.add_row(*(cell for text, cell in cells.items() if text in shown))
    return row

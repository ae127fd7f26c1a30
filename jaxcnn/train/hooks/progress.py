"""Shows the progress of a training: lines, and on a terminal a bar below them."""

import math
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console

from jaxcnn.errors import say
from jaxcnn.table import aligned
from jaxcnn.train.hooks.bar import GAP, Bar, Pace, standard_output
from jaxcnn.train.hooks.figures import metrics_of, scored, speed, time_span
from jaxcnn.train.hooks.report import opening
from jaxcnn.train.parts.best import ACCURACY, Best
from jaxcnn.train.training import Training

_NAME = 9
"""Characters of the column for the name of a block of lines."""


class Progress:
    """Shows a bar with steps, loss, accuracy, images/s and time left on a terminal, and else a line for each log.

    Output that cannot be written, such as that of a closed terminal, does not end the training.
    """

    def __init__(
        self,
        *,
        start: int,
        total: int,
        show: bool = True,
        best: Best = ACCURACY,
        epochs: Callable[[int], str] = str,
        console: Console | None = None,
    ) -> None:
        """Makes a hook that shows the steps from `start` to `total`.

        Args:
            start: steps of earlier starts.
            total: steps of the run.
            show: whether to show a bar.
            best: how validations are compared.
            epochs: formats a number of steps as epochs.
            console: for the output; None for standard output.
        """
        self.console = console or standard_output()
        self._total, self._epochs = total, epochs
        self._score, self._best = best.score, -math.inf
        self._step, self._pace = start, Pace(total)
        self._details: tuple[str, ...] = ()
        self._said: set[tuple[str, str]] = set()
        self._bar: Bar | None = None
        if show and self.console.is_interactive:
            self._bar = Bar(console=self.console)
            self._task = self._bar.add_task("", completed=start, total=total, details=(), left="")

    def start(self, training: Training) -> None:
        """Shows the bar, and lines about the run."""
        if self._bar:
            self._bar.start()
        for name, lines in opening(training.run, training.workdir, training.step).items():
            self.block(name, lines)
        self._best = max((self._score(row) for row in training.history if "val/loss" in row), default=-math.inf)

    def close(self) -> None:
        """Removes the bar."""
        if self._bar:
            self._beside(self._details)
            self._bar.stop()

    def said(self, text: str) -> None:
        """Shows a line, above the bar if there is one."""
        if self._bar:
            self._bar.console.print(text, markup=False)
        else:
            say(text)

    def block(self, name: str, lines: Iterable[str]) -> None:
        """Shows lines with a name beside them, broken between words if the terminal is narrow."""
        width = self._width()
        indent, first = " " * _NAME, f"{name:{_NAME}}"
        for text in lines:
            wrapped = textwrap.wrap(text, max(width - _NAME, 1), break_long_words=False, break_on_hyphens=False)
            for part in wrapped or [""]:
                self.said(first + part)
                first = indent

    def note(self, text: str) -> None:
        """Shows a line, unless a bar shows the same."""
        if self._bar is None:
            self.said(text)

    def busy(self, verb: str, what: str) -> None:
        """Shows work that takes time, such as "compiling": beside the bar, or in a line the first time."""
        if self._bar:
            self._beside((verb,))
        elif (verb, what) not in self._said:
            self._said.add((verb, what))
            self.said(f"{verb} {what}")

    def stepped(self, step: int) -> None:
        """Moves the bar to `step`."""
        self._step = step
        self._pace.reach(step)
        if self._bar:
            self._bar.update(self._task, completed=step, left=self._left())

    def compiled(self, seconds: float) -> None:
        """Shows the seconds that compiling a program and its first call took."""
        self._pace.begin(self._step)
        self._beside(self._details)
        self.note(f"compiled in {time_span(seconds)}, the first call included")

    def log(self, step: int, values: Mapping[str, Any]) -> None:
        """Shows training metrics, with names such as `train/loss`, beside the bar or in a line."""
        if "train/loss" not in values:  # a row that another hook has logged
            return
        details = (*_scores("train", values), speed(values["train/images_per_second"]))
        self._details = details
        self._beside(details)
        self.note((" " * GAP).join(self._row(step, "train", (*details, self._left()))))

    def evaluated(self, step: int, values: Mapping[str, Any]) -> None:
        """Shows validation metrics, and whether they are the best so far."""
        self._beside(self._details)
        if "val/loss" not in values:
            return
        score = self._score(values)
        best, self._best = score > self._best, max(self._best, score)
        parts = self._row(step, "val", (*_scores("val", values), "best so far" if best else ""))
        for line in _folded(parts, self._width()):
            self.said(line)

    def checkpointed(self, step: int) -> None:
        """Shows a line, if there is no bar."""
        self.note(f"checkpoint of step {step} written")

    def _row(self, step: int, split: str, parts: Iterable[str]) -> list[str]:
        where = f"step {step:>{len(str(self._total))}} of {self._total}"
        epoch = f"epoch {self._epochs(step):>{len(self._epochs(self._total))}}"
        return [where, epoch, f"{split:5}", *filter(None, parts)]

    def _width(self) -> int:
        """Returns the number of characters of a line, which a file does not limit."""
        return self.console.width if self.console.is_terminal else sys.maxsize

    def _left(self) -> str:
        seconds = self._pace.left()
        return "" if seconds is None else f"{time_span(seconds)} left"

    def _beside(self, details: tuple[str, ...]) -> None:
        if self._bar:
            self._bar.update(self._task, details=details)


def _folded(parts: Sequence[str], width: int) -> list[str]:
    """Returns parts joined to as few lines as possible; continued lines are indented."""
    gap, lines = " " * GAP, [parts[0]]
    for part in parts[1:]:
        if len(lines[-1] + gap + part) > width:
            lines.append("")
        lines[-1] += gap + part
    return lines


def _scores(split: str, values: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns texts with the loss and each metric of a split."""
    metrics = [name for name in metrics_of(split, values) if "/" not in name]
    return f"loss {values[f'{split}/loss']:.4f}", *(scored(name, values[f"{split}/{name}"]) for name in metrics)


def print_rows(rows: Mapping[str, str]) -> None:
    """Prints names and values in two columns to standard output, after an empty line."""
    for line in ("", *aligned(rows.items())):
        say(line)

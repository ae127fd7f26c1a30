"""Takes steps of a run again, exactly as its training did, and compares them with what was logged then."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxcnn.errors import UserError
from jaxcnn.evaluation.waiting import Reached
from jaxcnn.train.evaluate import make_evaluator
from jaxcnn.train.hooks.averaging import Averaging
from jaxcnn.train.hooks.log import Log
from jaxcnn.train.hooks.periodic import Periodic
from jaxcnn.train.parts import metrics
from jaxcnn.train.run import Run
from jaxcnn.train.state import TrainState, steps_taken
from jaxcnn.train.training import Training
from jaxcnn.types import Metrics

_OF_A_CLOCK = ("train/seconds", "train/images_per_second", "train/data_wait", "train/nonfinite")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compared:
    """What was logged, and what the same steps gave when they were taken again."""

    steps: tuple[int, ...]
    """At which metrics were logged that can be compared."""
    first: tuple[int, str, float | None, float | None] | None
    """Step, name, logged value and value now of the first that is not the same to the bit; None: all are."""


class Again:
    """A training that is taken up at a state, without changing anything in its folder.

    Steps are grouped into compiled calls as they were, by the intervals of the run. So they are the same programs.
    """

    def __init__(self, run: Run, state: TrainState) -> None:
        self._run, self._until = run, _Until()
        averaging = [Averaging(run.snapshots)] if run.snapshots else []
        due = [Periodic(run.eval_every), Periodic(run.checkpoint_every)]
        self.start = steps_taken(state)
        self._training = Training(
            run,
            "",
            state,
            evaluate=make_evaluator(run, batch_size=run.settings.eval_batch_size),
            hooks=[self._until, *averaging, Log(run.log_every), *due],
        )

    @property
    def state(self) -> TrainState:
        """After the steps so far; `take` donates it."""
        return self._training.state

    @property
    def logged(self) -> list[dict[str, Any]]:
        """Rows as of metrics.jsonl, of the steps that were taken."""
        return self._training.history

    def take(self, step: int, reached: Reached, *, last: bool = False) -> Metrics:
        """Takes steps up to `step`; returns the sums of metrics since the last log before it, as NumPy arrays.

        Args:
            step: up to which.
            reached: is told the number of steps that were taken again so far.
            last: whether it may be one that is not finite and leaves the state as it was.

        Raises:
            UserError: if another one is, at which the run has stopped.
        """
        training = self._training
        if training.step == step:
            return jax.device_get(training.span.sums)
        self._until.set(step, lambda done: reached(done - self.start))
        training.paused = False
        with training.running():
            training.train()
        if (found := steps_taken(self.state)) < step and not last:
            raise UserError(f"step {found + 1} is not finite: the run came no further")
        return self._until.sums

    def forget(self) -> Metrics:
        """Returns the sums of metrics that are not logged yet, as NumPy arrays, and lets them begin anew."""
        return jax.device_get(self._training.take_span().sums)


class _Until:
    """A hook that pauses a training at a step."""

    every_process = True

    def set(self, step: int, told: Callable[[int], None]) -> None:
        """Chooses the step; `told` is called with the steps so far."""
        self._step, self._told = step, told

    def start(self, training: Training) -> None:
        """Begins."""
        self._training = training

    def due(self, step: int) -> int:
        """Returns the step."""
        del step
        return self._step

    def stepped(self, step: int) -> None:
        """Tells how far it is."""
        self._told(step)

    def reached(self, step: int) -> None:
        """Keeps the sums of metrics, before they are logged, and pauses."""
        if step == self._step:
            self.sums = jax.device_get(self._training.span.sums)
            self._training.pause()


def compared(
    start: int, now: Sequence[Mapping[str, Any]], then: Sequence[Mapping[str, Any]], restarts: Sequence[int]
) -> Compared:
    """Returns what was logged of steps and what the same steps give now.

    Metrics that were logged are means since the log before or the last start, so only intervals are compared that are
    whole among the steps that were taken again.

    Args:
        start: the step from which they were taken again.
        now: rows of the steps that were taken again.
        then: rows of metrics.jsonl.
        restarts: steps from which the run has gone on.
    """
    logged = [row for row in then if "train/loss" in row]
    found = {row["step"]: row for row in now if "train/loss" in row}
    steps: list[int] = []
    first = None
    for before, row in zip([{"step": 0}, *logged], logged, strict=False):
        step, began = row["step"], max([before["step"], *(each for each in restarts if each < row["step"])])
        if step not in found or began < start or began > max(before["step"], start):
            continue
        steps.append(step)
        differs = [
            (step, name, _number(row[name]), _number(found[step].get(name)))
            for name in row
            if name.startswith("train/") and name not in _OF_A_CLOCK
            and not _same(row[name], found[step].get(name))
        ]  # fmt: skip
        first = first or next(iter(differs), None)
    return Compared(steps=tuple(steps), first=first)


def added(run: Run, before: Metrics, last: Metrics) -> dict[str, float]:
    """Returns the metrics of steps, of their sums up to the last one and those of the last one, as they are logged."""
    both = {name: np.add(before[name], last[name]) for name in last}
    return {f"train/{name}": value for name, value in metrics.means([both], run.seeds).items()}


def _same(one: Any, other: Any) -> bool:
    return _number(one) == _number(other)


def _number(value: Any) -> float | None:
    """Returns a number; None for one that is not finite, as metrics.jsonl has it."""
    return value if isinstance(value, int | float) and math.isfinite(value) else None

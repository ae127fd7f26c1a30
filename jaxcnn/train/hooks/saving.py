"""Checkpoints: written when they are due, and after a validation that beats all before it."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import jax

from jaxcnn.config.durations import is_due, next_due
from jaxcnn.errors import Fault
from jaxcnn.train.files.checkpoint import NOT_EVALUATED, Checkpoints
from jaxcnn.train.training import Training


class Saving:
    """Saves the state each `every` steps, at the last one, and where a validation is the best so far."""

    every_process = True

    def __init__(self, checkpoints: Checkpoints, every: Fraction) -> None:
        self._checkpoints, self._every = checkpoints, every
        self._best = checkpoints.best()
        self._found = (0, NOT_EVALUATED)
        self._unwritten: int | None = None

    def start(self, training: Training) -> None:
        """Begins."""
        self._training = training

    def due(self, step: int) -> int:
        """Returns the step of the next checkpoint."""
        return next_due(step, self._every)

    def evaluated(self, step: int, values: Mapping[str, Any]) -> None:
        """Notes how good the state is on the validation split."""
        best = self._training.run.best
        if best.key in values:
            self._found = (step, best.score(values))

    def log(self, step: int, values: Mapping[str, Any]) -> None:
        """Sees whether the last checkpoint is written by now."""
        del step, values
        if jax.process_count() == 1:
            self._warn_of(self._settle(wait=False))

    def reached(self, step: int) -> None:
        """Saves, where it is due or the state is the best so far."""
        score = self._score(step)
        if score > self._best or is_due(step, self._every, self._training.run.total_steps):
            trouble = self._save(step)
            self._warn_of(trouble)
            self._best = self._checkpoints.best() if trouble else max(self._best, score)

    def secure(self, step: int) -> str:
        """Sees to it that the state, that of `step`, is saved; returns in words what is in the way, else ""."""
        trouble = self._settle()
        if step in self._checkpoints.steps():
            return self._checkpoints.carried_over()
        trouble = self._save(step) or self._settle() or trouble
        saved = self._checkpoints.steps()
        if step in saved:
            return self._checkpoints.carried_over()
        return f"{trouble}; " + (f"step {saved[-1]} is the last that is saved" if saved else "nothing is saved")

    def _score(self, step: int) -> float:
        """Returns how good the state of a step is: the score of an earlier one is not its own."""
        return self._found[1] if self._found[0] == step else NOT_EVALUATED

    def _save(self, step: int) -> str:
        """Begins to save the state; returns what has gone wrong with that or with the save before it, else ""."""
        trouble = self._settle()
        trouble = self._checkpoints.save(step, self._training.state, self._score(step)) or trouble
        self._unwritten = None if trouble else step
        return trouble

    def _settle(self, *, wait: bool = True) -> str:
        """Tells that a checkpoint is written once it is; returns what has gone wrong with it, else ""."""
        trouble = self._checkpoints.settle(wait=wait)
        if trouble:
            self._unwritten = None
        elif self._unwritten is not None and not self._checkpoints.writing:
            written, self._unwritten = self._unwritten, None
            self._training.tell("checkpointed", written)
        return trouble

    def _warn_of(self, trouble: str) -> None:
        """Shows what has gone wrong with a checkpoint; several processes end, since they write each one together."""
        if trouble and jax.process_count() > 1:
            raise Fault(f"{trouble}; what was saved before can be gone on from")
        if trouble:
            self._training.say(f"warning: {trouble}; the training goes on, and the next one is tried")

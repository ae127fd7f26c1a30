"""A hook that writes checkpoints: when they are due, and after the best validation so far."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import jax

from jaxcnn.errors import Fault
from jaxcnn.train.files.checkpoint import NOT_EVALUATED, Checkpoints
from jaxcnn.train.hooks.periodic import Periodic


class Saving(Periodic):
    """Saves the state every `every` steps, at the last step, and after the best validation so far."""

    def __init__(self, checkpoints: Checkpoints, every: Fraction) -> None:
        super().__init__(every)
        self._checkpoints = checkpoints
        self._best = checkpoints.best()
        self._found = (0, NOT_EVALUATED)
        self._unwritten: int | None = None

    def evaluated(self, step: int, values: Mapping[str, Any]) -> None:
        """Notes the score of the state on the validation split."""
        best = self._training.run.best
        if best.key in values:
            self._found = (step, best.score(values))

    def log(self, step: int, values: Mapping[str, Any]) -> None:
        """Checks whether the last checkpoint is written."""
        del step, values
        if jax.process_count() == 1:
            self._warn_of(self._settle(wait=False))

    def reached(self, step: int) -> None:
        """Saves if it is due, or if the state is the best so far."""
        score = self._score(step)
        if score > self._best or self._is_due(step):
            trouble = self._save(step)
            self._warn_of(trouble)
            self._best = self._checkpoints.best() if trouble else max(self._best, score)

    def secure(self, step: int) -> str:
        """Makes sure that the state of `step` is saved; returns a text that says why it is not, else ""."""
        trouble = self._settle()
        if step in self._checkpoints.steps():
            return self._checkpoints.carried_over()
        trouble = self._save(step) or self._settle() or trouble
        saved = self._checkpoints.steps()
        if step in saved:
            return self._checkpoints.carried_over()
        return f"{trouble}; " + (f"step {saved[-1]} is the last that is saved" if saved else "nothing is saved")

    def _score(self, step: int) -> float:
        """Returns the score of a step's state, which is not known if only an earlier step was evaluated."""
        return self._found[1] if self._found[0] == step else NOT_EVALUATED

    def _save(self, step: int) -> str:
        """Begins to save the state; returns an error of this save or of the one before it, else ""."""
        trouble = self._settle()
        trouble = self._checkpoints.save(step, self._training.state, self._score(step)) or trouble
        self._unwritten = None if trouble else step
        return trouble

    def _settle(self, *, wait: bool = True) -> str:
        """Tells the hooks once a checkpoint is written; returns an error of the write, else ""."""
        trouble = self._checkpoints.settle(wait=wait)
        if trouble:
            self._unwritten = None
        elif self._unwritten is not None and not self._checkpoints.writing:
            written, self._unwritten = self._unwritten, None
            self._training.tell("checkpointed", written)
        return trouble

    def _warn_of(self, trouble: str) -> None:
        """Shows an error of a checkpoint. Several processes end, since they write a checkpoint together."""
        if trouble and jax.process_count() > 1:
            raise Fault(f"{trouble}; what was saved before can be gone on from")
        if trouble:
            self._training.say(f"warning: {trouble}; the training goes on, and the next one is tried")

"""A hook that writes checkpoints: when they are due, and after the best validation so far."""

import contextlib
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import jax

from jaxcnn.errors import Fault, UnsavedError
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
            self._settle_or_warn(wait=False)

    def reached(self, step: int) -> None:
        """Saves if it is due, or if the state is the best so far."""
        score = self._score(step)
        if score > self._best or self._is_due(step):
            self._settle_or_warn()
            try:
                self._save(step)
            except UnsavedError as error:
                self._warn_of(error)
            else:
                self._best = max(self._best, score)

    def secure(self, step: int) -> None:
        """Makes sure that the state of `step` is saved; raises `UnsavedError` if it cannot be."""
        with contextlib.suppress(UnsavedError):  # another attempt follows
            self._settle()
        if step not in self._checkpoints.steps():
            try:
                self._save(step)
                self._settle()
            except UnsavedError as error:
                saved = self._checkpoints.steps()
                left = f"step {saved[-1]} is the last that is saved" if saved else "nothing is saved"
                raise UnsavedError(f"{error}; {left}") from error
        self._checkpoints.carry_over()

    def _score(self, step: int) -> float:
        """Returns the score of a step's state, which is not known if only an earlier step was evaluated."""
        return self._found[1] if self._found[0] == step else NOT_EVALUATED

    def _save(self, step: int) -> None:
        """Begins to save the state."""
        self._checkpoints.save(step, self._training.state, self._score(step))
        self._unwritten = step

    def _settle(self, *, wait: bool = True) -> None:
        """Waits for the checkpoint that is being written, and tells the hooks once it is."""
        unwritten, self._unwritten = self._unwritten, None
        self._checkpoints.settle(wait=wait)
        if self._checkpoints.writing:
            self._unwritten = unwritten
        elif unwritten is not None:
            self._training.tell("checkpointed", unwritten)

    def _settle_or_warn(self, *, wait: bool = True) -> None:
        try:
            self._settle(wait=wait)
        except UnsavedError as error:
            self._warn_of(error)

    def _warn_of(self, error: UnsavedError) -> None:
        """Shows an error of a checkpoint. Several processes end, since they write a checkpoint together."""
        if jax.process_count() > 1:
            raise Fault(f"{error}; what was saved before can be gone on from") from error
        self._training.say(f"warning: {error}; the training goes on, and the next one is tried")
        self._best = self._checkpoints.best()

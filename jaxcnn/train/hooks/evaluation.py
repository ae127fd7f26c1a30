"""A hook that evaluates the validation split."""

from fractions import Fraction

from jaxcnn.config.durations import is_due, next_due
from jaxcnn.train.training import Training


class Evaluation:
    """Evaluates the validation split every `every` steps, and at the last step."""

    every_process = True

    def __init__(self, every: Fraction) -> None:
        self._every = every

    def start(self, training: Training) -> None:
        """Begins."""
        self._training = training

    def due(self, step: int) -> int:
        """Returns the step of the next evaluation."""
        return next_due(step, self._every)

    def reached(self, step: int) -> None:
        """Evaluates if it is due."""
        if is_due(step, self._every, self._training.run.total_steps):
            self._training.evaluate("val")

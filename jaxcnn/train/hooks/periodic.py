"""What hooks share that act every so many steps."""

from fractions import Fraction

from jaxcnn.config.durations import is_due, next_due
from jaxcnn.train.training import Training


class Periodic:
    """Base class of hooks that act every `every` steps, and at the last step."""

    every_process = True

    def __init__(self, every: Fraction) -> None:
        self._every = every

    def start(self, training: Training) -> None:
        """Begins."""
        self._training = training

    def due(self, step: int) -> int:
        """Returns the next step at which the hook acts."""
        return next_due(step, self._every)

    def _is_due(self, step: int) -> bool:
        return is_due(step, self._every, self._training.run.total_steps)

"""A hook that evaluates the validation split."""

from jaxcnn.train.hooks.periodic import Periodic


class Evaluation(Periodic):
    """Evaluates the validation split every `every` steps, and at the last step."""

    def reached(self, step: int) -> None:
        """Evaluates if it is due."""
        if self._is_due(step):
            self._training.evaluate("val")

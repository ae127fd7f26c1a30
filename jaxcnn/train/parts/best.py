"""Says which of two states of a run is better."""

import dataclasses
import math
from collections.abc import Collection, Mapping

from jaxcnn.errors import unknown_word

LOSS = "loss"


@dataclasses.dataclass(frozen=True)
class Best:
    """How the best checkpoint is chosen."""

    metric: str
    """Name of a metric, or "loss"."""
    smallest: bool = False
    """Whether the smallest value is the best, instead of the largest."""

    @property
    def key(self) -> str:
        """Key of the value in a row of validation metrics."""
        return f"val/{self.metric}"

    def score(self, values: Mapping[str, float | None]) -> float:
        """Returns the score of a row of validation metrics: the larger the better, and -inf for NaN or None."""
        value = values[self.key]
        if value is None or math.isnan(value):
            return -math.inf
        return -value if self.smallest else value


ACCURACY = Best("accuracy")


def find_best(text: str | None, metrics: Collection[str]) -> Best:
    """Returns the meaning of a text: a metric, with a minus before it if its smallest value is the best.

    Args:
        text: "accuracy", "-error", "loss"; None: the first metric, or the loss if there is none.
        metrics: names of the metrics besides the loss.

    Raises:
        UserError: for anything that is not measured.
    """
    asked = next(iter(metrics), LOSS) if text is None else text
    name = asked.removeprefix("-")
    if name not in (LOSS, *metrics):
        raise unknown_word("best", asked, (LOSS, *metrics))
    return Best(name, smallest=asked.startswith("-") or name == LOSS)

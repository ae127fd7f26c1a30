"""Which of two states of a run is the better one."""

import dataclasses
import math
from collections.abc import Collection, Mapping

from jaxcnn.errors import unknown_word

LOSS = "loss"


@dataclasses.dataclass(frozen=True)
class Best:
    """What the best checkpoint is chosen by."""

    metric: str
    """The name of a metric, or "loss"."""
    smallest: bool = False
    """Whether the smallest value is the best, and not the largest."""

    @property
    def key(self) -> str:
        """Its name in a row of validation metrics."""
        return f"val/{self.metric}"

    def score(self, values: Mapping[str, float]) -> float:
        """Returns how good a row of validation metrics is: the larger the better, -inf for what is not a number."""
        value = values[self.key]
        return -math.inf if math.isnan(value) else -value if self.smallest else value


ACCURACY = Best("accuracy")


def find_best(text: str | None, metrics: Collection[str]) -> Best:
    """Returns what a text means: a metric, with a minus before it if the smallest value is the best.

    Args:
        text: "accuracy", "-error", "loss"; None: the first metric, or the loss where there is none.
        metrics: names of what is measured beside the loss.

    Raises:
        UserError: for what is not measured.
    """
    asked = next(iter(metrics), LOSS) if text is None else text
    name = asked.removeprefix("-")
    if name not in (LOSS, *metrics):
        raise unknown_word("best", asked, (LOSS, *metrics))
    return Best(name, smallest=asked.startswith("-") or name == LOSS)

"""Metrics and speed of training between two logs."""

import dataclasses
import math
from collections.abc import Iterable

from jaxcnn.train.parts import metrics
from jaxcnn.types import Metrics


@dataclasses.dataclass
class Span:
    """Training between two logs: sums of its metrics, and the images and seconds that give its speed."""

    sums: Metrics
    images: int = 0
    seconds: float = 0.0

    def values(self, seeds: Iterable[int]) -> dict[str, float]:
        """Returns the metrics. Calls that compiled do not count for seconds and speed.

        If there was no other call, the speed is NaN.
        """
        return {f"train/{name}": value for name, value in metrics.means([self.sums], seeds).items()} | {
            "train/seconds": round(self.seconds, 6),
            "train/images_per_second": self.images / self.seconds if self.images else math.nan,
        }

"""What is measured from one log of the training to the next."""

import dataclasses
import math
from collections.abc import Iterable

from jaxcnn.train.parts import metrics
from jaxcnn.types import Metrics


@dataclasses.dataclass
class Span:
    """Training between two logs: sums of its metrics, and the images and seconds that its speed is made of."""

    sums: Metrics
    images: int = 0
    seconds: float = 0.0

    def values(self, seeds: Iterable[int]) -> dict[str, float]:
        """Returns the metrics; calls that compiled are left out of the seconds and of the speed.

        The speed is not a number where there was no other call.
        """
        return {f"train/{name}": value for name, value in metrics.means([self.sums], seeds).items()} | {
            "train/seconds": round(self.seconds, 6),
            "train/images_per_second": self.images / self.seconds if self.images else math.nan,
        }

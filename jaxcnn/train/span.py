"""Metrics and speed of training between two logs."""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

from jaxcnn.train.parts import metrics
from jaxcnn.types import Metrics


@dataclasses.dataclass
class Span:
    """Training between two logs: sums of its metrics, the images and seconds that give its speed, and its waiting."""

    sums: Metrics
    images: int = 0
    seconds: float = 0.0
    waited: float = 0.0
    """Seconds of these in which the loop waited for data, and the devices had nothing to compute."""

    def values(self, seeds: Iterable[int]) -> dict[str, float]:
        """Returns the metrics. Calls that compiled do not count for seconds, speed and waiting.

        If there was no other call, speed and waiting are NaN.
        """
        return {f"train/{name}": value for name, value in metrics.means([self.sums], seeds).items()} | {
            "train/seconds": round(self.seconds, 6),
            "train/images_per_second": self.images / self.seconds if self.images else math.nan,
            "train/data_wait": round(self.waited / self.seconds, 4) if self.images else math.nan,
        }


def waiting(rows: Iterable[Mapping[str, Any]]) -> float | None:
    """Returns the share of a run's `train/seconds` in which it waited for data; None if its rows do not say it."""
    known = [row for row in rows if row.get("train/data_wait") is not None and row.get("train/seconds")]
    seconds = sum(row["train/seconds"] for row in known)
    return sum(row["train/data_wait"] * row["train/seconds"] for row in known) / seconds if known else None

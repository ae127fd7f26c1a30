"""Formats the numbers of a run for people."""

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from jaxcnn.train.parts.metrics import METRICS, NO_METRICS

_UNITS = ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s"))
"""Seconds and names of a unit and of the next smaller one, the largest first."""


def time_span(seconds: float) -> str:
    """Returns a duration in its two largest units: "2 h 05 min", "1 min 40 s", "7 s"; below 10 s with tenths."""
    if seconds < 9.95:
        return f"{max(seconds, 0.0):.1f} s"
    whole = round(seconds)
    for size, name, smaller, smaller_name in _UNITS:
        if whole >= size:
            return f"{whole // size} {name} {whole % size // smaller:02d} {smaller_name}"
    return f"{whole} s"


def speed(images_per_second: float) -> str:
    """Returns a speed with at least two digits, such as "1,574 images/s", or "" if it is not known."""
    if not math.isfinite(images_per_second):
        return ""
    return f"{images_per_second:,.0f} images/s" if images_per_second >= 10 else f"{images_per_second:.2g} images/s"


def epoch_counter(steps_per_epoch: Fraction, *intervals: Fraction | int) -> Callable[[int], str]:
    """Returns a function that formats a number of steps as epochs, with enough decimals to show the shortest interval.

    Args:
        steps_per_epoch: exact, not rounded.
        *intervals: in steps, such as those between logs, and the whole run.
    """
    shortest = float(min(intervals) / steps_per_epoch)
    decimals = max(1, math.ceil(-math.log10(shortest)))
    return lambda step: f"{float(step / steps_per_epoch):.{decimals}f}"


def metrics_of(split: str, values: Mapping[str, Any]) -> list[str]:
    """Returns the names of a split's metrics besides its loss, such as "accuracy", in order."""
    found = [name.removeprefix(f"{split}/") for name in values if name.startswith(f"{split}/")]
    return [name for name in found if name.partition("/")[0] not in NO_METRICS]


def scored(name: str, value: float) -> str:
    """Returns a metric and its value: "accuracy 97.50%"."""
    return f"{name} {share(name, value)}"


def share(name: str, value: float) -> str:
    """Returns the value of a metric. Ours are fractions of the examples, and shown in per cent."""
    return f"{value:.2%}" if name in METRICS else f"{value:.4g}"

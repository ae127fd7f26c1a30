"""How the numbers of a run are shown to people."""

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from jaxcnn.train.parts.metrics import METRICS

_NO_METRICS = frozenset({"loss", "examples", "nonfinite", "learning_rate", "seconds", "images_per_second", "partial"})
_UNITS = ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s"))
"""Seconds of a unit and of the next smaller one, from the largest."""


def time_span(seconds: float) -> str:
    """Returns a time in its two largest units, as "2 h 05 min", "1 min 40 s" or "7 s"; below 10 s with tenths."""
    if seconds < 9.95:
        return f"{max(seconds, 0.0):.1f} s"
    whole = round(seconds)
    for size, name, smaller, smaller_name in _UNITS:
        if whole >= size:
            return f"{whole // size} {name} {whole % size // smaller:02d} {smaller_name}"
    return f"{whole} s"


def speed(images_per_second: float) -> str:
    """Returns a speed, as "1,574 images/s", with two digits at least; empty where it is not known."""
    if not math.isfinite(images_per_second):
        return ""
    return f"{images_per_second:,.0f} images/s" if images_per_second >= 10 else f"{images_per_second:.2g} images/s"


def epoch_counter(steps_per_epoch: Fraction, *intervals: Fraction | int) -> Callable[[int], str]:
    """Returns what writes a number of steps as epochs, with as many decimals as tell the shortest interval from none.

    Args:
        steps_per_epoch: not rounded.
        *intervals: in steps, such as those from log to log, and the whole run.
    """
    shortest = float(min(intervals) / steps_per_epoch)
    decimals = max(1, math.ceil(-math.log10(shortest)))
    return lambda step: f"{float(step / steps_per_epoch):.{decimals}f}"


def metrics_of(split: str, values: Mapping[str, Any]) -> list[str]:
    """Returns the names of what is measured of a split beside its loss, as "accuracy", in their order."""
    found = [name.removeprefix(f"{split}/") for name in values if name.startswith(f"{split}/")]
    return [name for name in found if name.partition("/")[0] not in _NO_METRICS]


def scored(name: str, value: float) -> str:
    """Returns a metric and its value, as "accuracy 97.50%"."""
    return f"{name} {share(name, value)}"


def share(name: str, value: float) -> str:
    """Returns the value of a metric: in per cent of one of ours, all of which are shares of the examples."""
    return f"{value:.2%}" if name in METRICS else f"{value:.4g}"

"""How the numbers of a run are shown to people."""

import math
from collections.abc import Callable
from fractions import Fraction

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

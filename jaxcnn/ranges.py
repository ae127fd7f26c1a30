"""Numbers that a value may be: one kind of interval, one check, one way to say what is wrong."""

import dataclasses
import math
from numbers import Real
from typing import Any

from jaxcnn.errors import UserError


@dataclasses.dataclass(frozen=True)
class Range:
    """An interval of numbers; `str()` writes it as mathematics does, "[0, 1)", a round bracket at an end left out."""

    low: float
    high: float = math.inf
    without_low: bool = False
    without_high: bool = False

    def __contains__(self, value: Any) -> bool:
        """Whether `value` is a finite number of the interval; True and False are no numbers."""
        if not is_number(value) or not self.low <= value <= self.high or math.isinf(value):
            return False
        return (value, self.without_low) != (self.low, True) and (value, self.without_high) != (self.high, True)

    def __str__(self) -> str:
        ends = "[("[self.without_low], "])"[self.without_high or math.isinf(self.high)]
        return f"{ends[0]}{self.low}, {self.high}{ends[1]}"


def at_least(low: float) -> Range:
    """Returns the numbers from `low` on."""
    return Range(low)


def above(low: float) -> Range:
    """Returns the numbers greater than `low`."""
    return Range(low, without_low=True)


def below(high: float, low: float = 0) -> Range:
    """Returns the numbers from `low` on that are less than `high`."""
    return Range(low, high, without_high=True)


SHARE = Range(0, 1, without_low=True)
"""Of a whole, but not nothing."""
PIXELS = Range(1, 1024)
"""Along the side of an image."""


def check_number(what: str, value: Any, within: Range) -> None:
    """Raises `UserError` unless `value` is a number in the range; `what` says whose value it is."""
    if value not in within:
        raise UserError(f"{what} is {value!r}: it must be a number in {within}")


def check_whole(what: str, value: Any, within: Range) -> None:
    """Raises `UserError` unless `value` is a whole number in the range; `what` says whose value it is."""
    if not is_whole(value) or value not in within:
        raise UserError(f"{what} is {value!r}: it must be a whole number in {within}")


def is_whole(value: Any) -> bool:
    """Returns whether `value` is a whole number; True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Returns whether `value` is a real number; True and False are none."""
    return isinstance(value, Real) and not isinstance(value, bool)

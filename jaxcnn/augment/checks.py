"""Checks of the arguments of augmentations and views; a wrong one is a `UserError` of one line.

Every range is bounded, because a number too large for float32 would turn images into NaNs. In all checks `where` says
what has the argument ("augmentation shift"), `name` is the argument's name, and `low` and `high` are inclusive.
"""

from typing import Any

from jaxcnn import ranges
from jaxcnn.errors import UserError
from jaxcnn.ranges import PIXELS, Range


def check_whole(where: str, name: str, value: Any, low: float, high: float) -> None:
    """Raises `UserError` unless `value` is a whole number in [low, high]."""
    ranges.check_whole(f"{where}: {name}", value, Range(low, high))


def check_size(where: str, name: str, value: Any) -> None:
    """Raises `UserError` unless `value` is a number of pixels that the side of an image may have."""
    ranges.check_whole(f"{where}: {name}", value, PIXELS)


def check_number(where: str, name: str, value: Any, low: float, high: float) -> None:
    """Raises `UserError` unless `value` is a number in [low, high]."""
    ranges.check_number(f"{where}: {name}", value, Range(low, high))


def check_range(where: str, name: str, value: Any, low: float, high: float) -> None:
    """Raises `UserError` unless `value` is a pair (a, b) of numbers with low <= a <= b <= high."""
    if not _are_numbers(value, (2,), Range(low, high)) or value[0] > value[1]:
        raise UserError(f"{where}: {name} is {value!r}: it must be a pair (a, b) with {low} <= a <= b <= {high}")


def check_numbers(where: str, name: str, values: Any, shape: tuple[int, ...], low: float, high: float) -> None:
    """Raises `UserError` unless `values` are numbers in [low, high], nested in tuples or lists of `shape`."""
    within = Range(low, high)
    if not _are_numbers(values, shape, within):
        found = " x ".join(map(str, shape))
        raise UserError(f"{where}: {name} must be {found} numbers in {within}, not {values!r}")


def _are_numbers(values: Any, shape: tuple[int, ...], within: Range) -> bool:
    if not shape:
        return values in within
    nested = isinstance(values, tuple | list) and len(values) == shape[0]
    return nested and all(_are_numbers(value, shape[1:], within) for value in values)

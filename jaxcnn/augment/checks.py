"""Checks of the arguments of augmentations and views; a wrong one is a `UserError` of one line.

Every range is bounded, because a number too large for float32 would turn images into NaNs. In all checks `where` says
what has the argument ("augmentation shift"), `name` is the argument's name, and `low` and `high` are inclusive.
"""

from numbers import Real
from typing import Any

from jaxcnn.errors import UserError

MOST_PIXELS = 1024
"""Largest size of an image's side, as for `data.image_size`."""


def check_whole(where: str, name: str, value: Any, low: int, high: int) -> None:
    """Raises `UserError` unless `value` is a whole number in [low, high]."""
    if not _is_whole(value) or not low <= value <= high:
        raise UserError(f"{where}: {name} is {value!r}: it must be a whole number from {low} to {high}")


def check_size(where: str, name: str, value: Any) -> None:
    """Raises `UserError` unless `value` is a number of pixels, 1 to 1024."""
    check_whole(where, name, value, 1, MOST_PIXELS)


def check_number(where: str, name: str, value: Any, low: float, high: float) -> None:
    """Raises `UserError` unless `value` is a number in [low, high]."""
    if not _is_number(value) or not low <= value <= high:
        raise UserError(f"{where}: {name} is {value!r}: it must be a number in [{low}, {high}]")


def check_range(where: str, name: str, value: Any, low: float, high: float) -> None:
    """Raises `UserError` unless `value` is a pair (a, b) of numbers with low <= a <= b <= high."""
    pair = isinstance(value, tuple | list) and len(value) == 2 and all(_is_number(end) for end in value)
    if not pair or not low <= value[0] <= value[1] <= high:
        raise UserError(f"{where}: {name} is {value!r}: it must be a pair (a, b) with {low} <= a <= b <= {high}")


def check_numbers(where: str, name: str, values: Any, shape: tuple[int, ...], low: float, high: float) -> None:
    """Raises `UserError` unless `values` are numbers in [low, high], nested in tuples or lists of `shape`."""
    if not _are_numbers(values, shape, low, high):
        found = " x ".join(map(str, shape))
        raise UserError(f"{where}: {name} must be {found} numbers in [{low}, {high}], not {values!r}")


def _are_numbers(values: Any, shape: tuple[int, ...], low: float, high: float) -> bool:
    if not shape:
        return _is_number(values) and low <= values <= high
    nested = isinstance(values, tuple | list) and len(values) == shape[0]
    return nested and all(_are_numbers(value, shape[1:], low, high) for value in values)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)

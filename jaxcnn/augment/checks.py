"""Checks of arguments that are several numbers; a wrong one is a `UserError` of one line.

Every range is bounded, because a number too large for float32 would turn images into NaNs. What is one
number is checked by `jaxcnn.ranges`. `what` says whose value it is ("augmentation erase: scale").
"""

from typing import Any

from jaxcnn.errors import UserError
from jaxcnn.ranges import Range


def check_pair(what: str, value: Any, within: Range) -> None:
    """Raises `UserError` unless `value` is a pair (a, b) of numbers in the closed range, with a <= b."""
    if not _are_numbers(value, (2,), within) or value[0] > value[1]:
        order = f"{within.low} <= a <= b <= {within.high}"
        raise UserError(f"{what} is {value!r}: it must be a pair (a, b) with {order}")


def check_numbers(what: str, values: Any, shape: tuple[int, ...], within: Range) -> None:
    """Raises `UserError` unless `values` are as many numbers as they must be, in the range.

    Args:
        what: whose values they are.
        values: to be checked.
        shape: how many numbers, nested in tuples or lists: (3, 3) means three of three each.
        within: the range of each number.
    """
    if not _are_numbers(values, shape, within):
        found = " x ".join(map(str, shape))
        raise UserError(f"{what} must be {found} numbers in {within}, not {values!r}")


def _are_numbers(values: Any, shape: tuple[int, ...], within: Range) -> bool:
    if not shape:
        return values in within
    nested = isinstance(values, tuple | list) and len(values) == shape[0]
    return nested and all(_are_numbers(value, shape[1:], within) for value in values)

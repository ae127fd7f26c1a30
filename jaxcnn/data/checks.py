"""What arguments of augmentations and views may be; each answers a wrong one in a line."""

from numbers import Real
from typing import Any

from jaxcnn.errors import UserError


def check_whole(where: str, name: str, value: Any, low: int) -> None:
    """Raises `UserError` unless `value` is a whole number from `low` on."""
    if not _is_whole(value) or value < low:
        raise UserError(f"{where}: {name} is {value!r}: it must be a whole number from {low}")


def check_number(where: str, name: str, value: Any, low: float, high: float, *, above: bool = False) -> None:
    """Raises `UserError` unless `value` is a number in [low, high], or in (low, high] where `above` is true."""
    if not _is_number(value) or not low <= value <= high or (above and value == low):
        raise UserError(f"{where}: {name} is {value!r}: it must be a number in {'(' if above else '['}{low}, {high}]")


def check_range(where: str, name: str, value: Any, high: float) -> None:
    """Raises `UserError` unless `value` is a pair (a, b) of numbers with 0 < a <= b <= high."""
    pair = isinstance(value, tuple | list) and len(value) == 2 and all(_is_number(end) for end in value)
    if not pair or not 0 < value[0] <= value[1] <= high:
        raise UserError(f"{where}: {name} is {value!r}: it must be a pair (low, high) with 0 < low <= high <= {high}")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)

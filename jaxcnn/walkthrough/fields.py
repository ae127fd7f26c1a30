"""Where on the photo a unit looks: its receptive field as a box."""

from typing import NamedTuple

from jaxcnn.analysis.layer import Extent, Receptive
from jaxcnn.inside.columns import extent
from jaxcnn.walkthrough.maps import Unit

_MARGIN = 0.08
"""Least part of the photo's side that is shown around it: fields reach into the padding."""
_REACH = 0.5
"""Most of it. Of a field that reaches farther, the edges that lie beyond are not drawn, so its box is open there."""


class Box(NamedTuple):
    """Rows and columns of the photo, also such as are padding."""

    top: float
    left: float
    height: float
    width: float

    def frame(self, size: int) -> "Box":
        """Returns what is shown: the photo with a margin, and this box, as far as it does not reach too far."""
        margin, reach = _MARGIN * size, _REACH * size
        top, left = (min(-margin, max(each - margin / 2, -reach)) for each in (self.top, self.left))
        bottom, right = (
            max(size + margin, min(start + length + margin / 2, size + reach))
            for start, length in ((self.top, self.height), (self.left, self.width))
        )
        return Box(top, left, bottom - top, right - left)


def box_of(field: Receptive, unit: Unit | None, size: int) -> Box | None:
    """Returns the receptive field of a unit; None where it is not known.

    Args:
        field: of the unit's layer.
        unit: None: a value that belongs to no place of a map.
        size: of the photo, in pixels.
    """
    places = (None, None) if unit is None else (unit.row, unit.column)
    axes = zip(_pair(field.size), _pair(field.stride), _pair(field.offset), places, strict=True)
    rows, columns = (_side(*axis, size) for axis in axes)
    return None if rows is None or columns is None else Box(rows[0], columns[0], rows[1], columns[1])


def _pair(value: Extent) -> tuple[Extent, Extent]:
    return (value[0], value[1]) if isinstance(value, tuple) else (value, value)


def _side(length: Extent, stride: Extent, offset: Extent, place: int | None, size: int) -> tuple[float, float] | None:
    """Returns where a field begins along an axis, and its length."""
    if length == "global":
        return 0.0, float(size)
    numbers = [each for each in (length, stride, offset) if isinstance(each, int | float)]
    if len(numbers) < 3 or place is None:
        return None
    return numbers[2] + place * numbers[1], numbers[0]


def field_line(whole: Receptive, local: Receptive) -> str:
    """Returns in words how much of the photo a value depends on.

    Args:
        whole: through everything that the net computes.
        local: through its windows alone.
    """
    if whole.size == local.size or local.size is None:
        return _words(whole)
    return f"{_words(whole)}, through the means of norms or gates; windows alone: {_words(local)}"


def _words(field: Receptive) -> str:
    size = field.size
    if size == "global":
        return "the whole photo"
    if size is None or size == "unknown":
        return "unknown"
    both = extent(size) if isinstance(size, tuple) else f"{size}x{size}"
    return f"{both} px" + ("" if field.stride is None else f", stride {extent(field.stride)} px")


def place_line(box: Box | None, size: int) -> str:
    """Returns in words which rows and columns a box has, from 0, and that some of them are padding."""
    if box is None or (box.height >= size and box.width >= size and box.top == 0):
        return ""
    sides = (box.top, box.height), (box.left, box.width)
    ends = [(round(start), round(start + length) - 1) for start, length in sides]
    beyond = any(first < 0 or last >= size for first, last in ends)
    text = ", ".join(f"{name} {first} to {last}" for name, (first, last) in zip(("rows", "columns"), ends, strict=True))
    return text + (", padding included" if beyond else "")

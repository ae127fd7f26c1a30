"""Receptive fields: for every value of an array, the first and the last row and column of the image that it depends on.

A field is exact, along all paths: it is kept for each value, and not as one number for each layer. So branches, sums,
concatenations, groups of channels and padding on one side need no rule of their own. What is kept of an axis along
which all values have the same field is a single entry.

Araujo, Norris and Sim, "Computing receptive fields of convolutional neural networks", Distill 2019, have the arithmetic
of windows (size, stride and offset along each path).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np


class Side(NamedTuple):
    """The rows of the image (or its columns) that the values of an array depend on."""

    first: np.ndarray
    """float64, of the array's rank, with length 1 along axes that make no difference; minus infinity: all rows."""
    last: np.ndarray
    """As `first`, the last row; below `first` where a value depends on none."""
    axes: Mapping[int, float]
    """The array's axes along which the positions of a map run, and the rows between neighbours, nan if they vary."""
    whole: bool = True
    """Whether no position of the map was left out, so that a mean over `axes` is one over the whole map."""


Field = tuple[Side, Side]
"""Of rows and of columns."""


def of_image(height: int, width: int) -> Field:
    """Returns the field of an image (1, height, width, channels): each pixel depends on itself."""
    rows, columns = np.arange(height, dtype=float), np.arange(width, dtype=float)
    down, right = rows.reshape(1, -1, 1, 1), columns.reshape(1, 1, -1, 1)
    return Side(down, down, {1: 1.0}), Side(right, right, {2: 1.0})


def union(sides: Sequence[Side], rank: int) -> Side:
    """Returns the side of values that depend on several arrays of this rank, elementwise."""
    raised = [side if side.first.ndim == rank else _scalar(side, rank) for side in sides]
    first, last = raised[0].first, raised[0].last
    for side in raised[1:]:
        first, last = np.minimum(first, side.first), np.maximum(last, side.last)
    return Side(first, last, _all_axes(raised), any(side.whole for side in sides))


def _all_axes(sides: Sequence[Side]) -> dict[int, float]:
    """Returns the axes of the maps of several arrays, with nan where their steps differ."""
    axes: dict[int, float] = {}
    for side in sides:
        for axis, step in side.axes.items():
            axes[axis] = step if axes.get(axis, step) == step else math.nan
    return axes


def reduced(side: Side, axes: Sequence[int], *, beyond: bool, keep: bool = False) -> Side:
    """Returns the side of a sum, mean or maximum over axes.

    Args:
        side: of the array.
        axes: which are reduced.
        beyond: whether a reduction over the whole map sees all rows, also those that strides passed over.
        keep: the axes remain, with length 1.
    """
    gone = set(axes)
    everything = beyond and side.axes and gone >= side.axes.keys() and side.whole
    first, last = side.first.min(tuple(gone), keepdims=True), side.last.max(tuple(gone), keepdims=True)
    if everything:
        first, last = np.full_like(first, -np.inf), np.full_like(last, np.inf)
    left = {axis: step for axis, step in side.axes.items() if axis not in gone}
    found = Side(first, last, left, side.whole)
    return found if keep else dropped(found, axes)


def dropped(side: Side, axes: Sequence[int]) -> Side:
    """Returns the side without axes of length 1."""
    rest = [axis for axis in range(side.first.ndim) if axis not in axes]
    places = {rest.index(axis): step for axis, step in side.axes.items() if axis not in axes}
    return side._replace(first=side.first.squeeze(tuple(axes)), last=side.last.squeeze(tuple(axes)), axes=places)


class Slid(NamedTuple):
    """How a window slides along an axis."""

    out: int
    """Number of results."""
    size: int = 1
    stride: int = 1
    before: int = 0
    """Cells of padding in front of the axis, negative if it is cut."""
    spread: int = 1
    """1 + the number of zeros between neighbours: the stride of a transposed convolution."""
    dilation: int = 1


def slid(side: Side, axis: int, how: Slid, *, beyond: bool) -> Side:
    """Returns the side of what a window makes of an array.

    Args:
        side: of the array.
        axis: along which the window slides.
        how: it slides.
        beyond: whether padding counts as positions of the map outside of the image, as the arithmetic of receptive
            fields has it; else it depends on nothing.
    """
    if side.first.shape[axis] == 1 and axis not in side.axes:
        return side
    taps = np.arange(how.out)[:, None] * how.stride - how.before + np.arange(how.size) * how.dilation
    step = side.axes.get(axis, math.nan)
    first, last = (_at(ends, axis, taps, how.spread, step if beyond else math.nan) for ends in (side.first, side.last))
    axes = {**side.axes, axis: step * how.stride / how.spread} if axis in side.axes else side.axes
    return side._replace(
        first=np.where(np.isnan(first), np.inf, first).min(axis + 1),
        last=np.where(np.isnan(last), -np.inf, last).max(axis + 1),
        axes=axes,
    )


def _at(ends: np.ndarray, axis: int, taps: np.ndarray, spread: int, step: float) -> np.ndarray:
    """Returns the ends at positions, continued beyond the map by `step`; nan where there is no position.

    Args:
        ends: first or last rows.
        axis: along which positions are.
        taps: (results, taps of a window), positions in the spread axis; they become two axes.
        spread: distance of positions in it.
        step: rows between positions; nan: there are none beyond the map.
    """
    places = taps // spread
    inside = np.clip(places, 0, ends.shape[axis] - 1)
    away = np.where(places == inside, 0.0, (places - inside) * step)
    away = np.where(taps % spread == 0, away, math.nan)
    shape = (1,) * axis + away.shape + (1,) * (ends.ndim - axis - 1)
    return np.take(ends, inside, axis=axis) + away.reshape(shape)


def in_groups(side: Side, axis: int, groups: int, out: int, full: int, *, beyond: bool) -> Side:
    """Returns the side of features that each depend on all channels of one group.

    Args:
        side: of the array.
        axis: of its channels.
        groups: of channels.
        out: number of features.
        full: number of channels.
        beyond: see `reduced`.
    """
    if groups == 1 or (side.first.shape[axis] == 1 and axis not in side.axes):
        return reduced(side, [axis], beyond=beyond, keep=True)

    def of_features(ends: np.ndarray, least: bool) -> np.ndarray:
        shape = list(ends.shape)
        shape[axis] = full
        parts = np.broadcast_to(ends, shape).reshape(*shape[:axis], groups, full // groups, *shape[axis + 1 :])
        extreme = parts.min(axis + 1) if least else parts.max(axis + 1)
        return np.repeat(extreme, out // groups, axis)

    return side._replace(first=of_features(side.first, True), last=of_features(side.last, False))


def permuted(side: Side, order: Sequence[int]) -> Side:
    """Returns the side of an array whose axis i is axis `order[i]` of this one."""
    places = {order.index(axis): step for axis, step in side.axes.items()}
    return side._replace(first=side.first.transpose(order), last=side.last.transpose(order), axes=places)


def cut(side: Side, axis: int, start: int, stop: int, stride: int, full: int) -> Side:
    """Returns the side of a slice of an array that has `full` values along the axis."""
    mapped = axis in side.axes
    left_out = mapped and (start > 0 or full - stop >= stride)
    axes = {**side.axes, axis: side.axes[axis] * stride} if mapped else side.axes
    found = side._replace(axes=axes, whole=side.whole and not left_out)
    if side.first.shape[axis] == 1:
        return found
    place = (slice(None),) * axis + (slice(start, stop, stride),)
    return found._replace(first=side.first[place], last=side.last[place])


def joined(sides: Sequence[Side | None], axis: int, lengths: Sequence[int]) -> Side:
    """Returns the side of a concatenation; None are arrays that do not depend on the image.

    Args:
        sides: of the arrays, not all None.
        axis: along which they are put together.
        lengths: of each along it.
    """
    known = [side for side in sides if side is not None]
    axes = _all_axes(known)
    whole = any(side.whole for side in known)
    first, last = known[0].first, known[0].last
    alike = all(np.array_equal(side.first, first) and np.array_equal(side.last, last) for side in known)
    if first.shape[axis] == 1 and axis not in axes and alike:
        return Side(first, last, axes, whole)
    common = np.broadcast_shapes(*(_without(side.first.shape, axis) for side in known))
    parts = []
    for side, length in zip(sides, lengths, strict=True):
        shape = (*common[:axis], length, *common[axis + 1 :])
        ends = (np.inf, -np.inf) if side is None else (side.first, side.last)
        parts.append([np.broadcast_to(end, shape) for end in ends])
    begins, ends = zip(*parts, strict=True)
    return Side(np.concatenate(begins, axis), np.concatenate(ends, axis), axes, whole)


def _without(shape: Sequence[int], axis: int) -> tuple[int, ...]:
    return (*shape[:axis], 1, *shape[axis + 1 :])


def _scalar(side: Side, rank: int) -> Side:
    return Side(side.first.reshape((1,) * rank), side.last.reshape((1,) * rank), {}, side.whole)


def reshaped(side: Side, old: Sequence[int], new: Sequence[int]) -> Side:
    """Returns the side of an array of shape `old` that is reshaped to `new`."""
    ends: tuple[list[int], list[int]] = ([], [])
    axes: dict[int, float] = {}
    for before, after in _parts(old, new):
        sizes, wanted = [old[axis] for axis in before], [new[axis] for axis in after]
        mapped = [axis for axis in before if axis in side.axes]
        varies = mapped or any(side.first.shape[axis] > 1 for axis in before)
        ends[0].extend(sizes if varies else [1] * len(before))
        ends[1].extend(wanted if varies else [1] * len(after))
        axes |= _steps(side.axes, mapped, before, old, after, new)
    kept, shape = ends
    first, last = (np.broadcast_to(end, kept).reshape(shape) for end in (side.first, side.last))
    return Side(first, last, axes, side.whole)


def _steps(
    known: Mapping[int, float],
    mapped: Sequence[int],
    before: Sequence[int],
    old: Sequence[int],
    after: Sequence[int],
    new: Sequence[int],
) -> dict[int, float]:
    """Returns the steps along the axes `after` that the axes `before` become, of which `mapped` have steps."""
    if not mapped:
        return {}
    long = [axis for axis in before if old[axis] > 1]
    if len(mapped) > 1 or any(axis not in mapped for axis in long):
        return dict.fromkeys(after, math.nan)
    found, inner = {}, 1
    for axis in reversed(after):
        if new[axis] > 1 or math.prod(old[each] for each in before) == 1:
            found[axis] = known[mapped[0]] * inner
            inner *= new[axis]
    return found


def _parts(old: Sequence[int], new: Sequence[int]) -> Iterator[tuple[list[int], list[int]]]:
    """Yields which axes of a reshaped array become which, the fewest at a time."""
    start = end = 0
    while start < len(old) or end < len(new):
        before, after = list(range(start, min(start + 1, len(old)))), list(range(end, min(end + 1, len(new))))
        while math.prod(old[axis] for axis in before) != math.prod(new[axis] for axis in after):
            short = math.prod(old[axis] for axis in before) < math.prod(new[axis] for axis in after)
            grown = before if short else after
            grown.append(grown[-1] + 1)
        start, end = start + len(before), end + len(after)
        if start == len(old) or end == len(new):  # only axes of length 1 are left
            before, after = [*before, *range(start, len(old))], [*after, *range(end, len(new))]
            start, end = len(old), len(new)
        yield before, after

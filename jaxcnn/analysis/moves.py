"""How receptive fields pass through operations that move values and compute nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend.core import JaxprEqn

from jaxcnn.analysis import field
from jaxcnn.analysis.field import Field, Side, Slid
from jaxcnn.analysis.reach import UNKNOWN, Input, Reach, Rule, both, shape_of


def spread(side: Side, places: Sequence[int], rank: int) -> Side:
    """Returns the side of an array of a larger rank, whose axes `places` are the given ones."""
    shape = [1] * rank
    for place, length in zip(places, side.first.shape, strict=True):
        shape[place] = length
    axes = {places[axis]: step for axis, step in side.axes.items()}
    return side._replace(first=side.first.reshape(shape), last=side.last.reshape(shape), axes=axes)


def _broadcast(equation: JaxprEqn, inputs: Sequence[Input], beyond: bool) -> Reach:
    del beyond
    places, shape, old = equation.params["broadcast_dimensions"], equation.params["shape"], inputs[0].shape

    def broadcast(side: Side) -> Side:
        kept = {axis: step for axis, step in side.axes.items() if shape[places[axis]] == old[axis]}
        return spread(side._replace(axes=kept), places, len(shape))

    return both(broadcast, inputs[0].reach)


def _reshape(equation: JaxprEqn, inputs: Sequence[Input], beyond: bool) -> Reach:
    del beyond
    shape = shape_of(equation.outvars[0])
    return both(lambda side: field.reshaped(side, inputs[0].shape, shape), inputs[0].reach)


def _transpose(equation: JaxprEqn, inputs: Sequence[Input], beyond: bool) -> Reach:
    del beyond
    return both(lambda side: field.permuted(side, equation.params["permutation"]), inputs[0].reach)


def _squeeze(equation: JaxprEqn, inputs: Sequence[Input], beyond: bool) -> Reach:
    del beyond
    return both(lambda side: field.dropped(side, equation.params["dimensions"]), inputs[0].reach)


def _reversal(equation: JaxprEqn, inputs: Sequence[Input], beyond: bool) -> Reach:
    del beyond
    turned = equation.params["dimensions"]

    def reverse(side: Side) -> Side:
        axes = {axis: -step if axis in turned else step for axis, step in side.axes.items()}
        return side._replace(first=np.flip(side.first, turned), last=np.flip(side.last, turned), axes=axes)

    return both(reverse, inputs[0].reach)


def _cut(
    reach: Any, shape: Sequence[int], starts: Sequence[int], stops: Sequence[int], strides: Sequence[int]
) -> Field:
    def sliced(side: Side) -> Side:
        for axis, full in enumerate(shape):
            if (starts[axis], stops[axis], strides[axis]) != (0, full, 1):
                side = field.cut(side, axis, starts[axis], stops[axis], strides[axis], full)
        return side

    return both(sliced, reach)


def _slice(equation: JaxprEqn, inputs: Sequence[Input], beyond: bool) -> Reach:
    del beyond
    given, shape = equation.params, inputs[0].shape
    return _cut(
        inputs[0].reach, shape, given["start_indices"], given["limit_indices"], given["strides"] or (1,) * len(shape)
    )


def _dynamic_slice(equation: JaxprEqn, inputs: Sequence[Input], beyond: bool) -> Reach:
    del beyond
    image, *starts = inputs
    sizes = equation.params["slice_sizes"]
    begins = []
    for start, size, full in zip(starts, sizes, image.shape, strict=True):
        if start.known is None and size != full:
            return UNKNOWN
        begins.append(0 if start.known is None else int(np.clip(int(start.known()), 0, full - size)))
    ends = [begin + size for begin, size in zip(begins, sizes, strict=True)]
    return _cut(image.reach, image.shape, begins, ends, (1,) * len(sizes))


def _split(equation: JaxprEqn, inputs: Sequence[Input], beyond: bool) -> Sequence[Reach]:
    del beyond
    shape, axis = inputs[0].shape, equation.params["axis"]
    found: list[Reach] = []
    begin = 0
    for size in equation.params["sizes"]:
        starts, stops = [0] * len(shape), list(shape)
        starts[axis], stops[axis] = begin, begin + size
        found.append(_cut(inputs[0].reach, shape, starts, stops, (1,) * len(shape)))
        begin += size
    return found


def _pad(equation: JaxprEqn, inputs: Sequence[Input], beyond: bool) -> Reach:
    image, value = inputs
    if value.reach is not None:
        return UNKNOWN
    shape = shape_of(equation.outvars[0])

    def padded(side: Side) -> Side:
        for axis, (low, high, inner) in enumerate(equation.params["padding_config"]):
            if (low, high, inner) == (0, 0, 0):
                continue
            whole = side.whole and not (axis in side.axes and min(low, high) < 0)
            side = field.slid(side, axis, Slid(shape[axis], before=low, spread=inner + 1), beyond=beyond)
            side = side._replace(whole=whole)
        return side

    return both(padded, image.reach)


def _concatenate(equation: JaxprEqn, inputs: Sequence[Input], beyond: bool) -> Reach:
    del beyond
    axis = equation.params["dimension"]
    lengths = [each.shape[axis] for each in inputs]

    def of_side(number: int) -> Side:
        sides = [None if each.reach is None else each.reach[number] for each in inputs]
        return field.joined(sides, axis, lengths)  # type: ignore[arg-type]

    return of_side(0), of_side(1)


def _gather(equation: JaxprEqn, inputs: Sequence[Input], beyond: bool) -> Reach:
    del beyond
    image, places = inputs
    if places.known is None or image.reach is None:
        return UNKNOWN
    numbers, sizes = equation.params["dimension_numbers"], equation.params["slice_sizes"]
    removed = {*numbers.collapsed_slice_dims, *getattr(numbers, "operand_batching_dims", ())}
    left = [axis for axis in range(len(sizes)) if axis not in removed]
    indices, rank = places.known(), len(shape_of(equation.outvars[0]))

    def gathered(side: Side) -> Side:
        ends = [_bound(equation, np.broadcast_to(end, image.shape), indices) for end in (side.first, side.last)]
        taken = [np.where(np.isnan(end), nothing, end) for end, nothing in zip(ends, (np.inf, -np.inf), strict=True)]
        kept = {numbers.offset_dims[left.index(axis)]: step for axis, step in side.axes.items() if axis in left}
        others = {axis: np.nan for axis in range(rank) if axis not in numbers.offset_dims}
        moved = any(axis in numbers.start_index_map for axis in side.axes)
        return Side(taken[0], taken[1], {**kept, **(others if moved else {})}, side.whole and not moved)

    return both(gathered, image.reach)


def _bound(equation: JaxprEqn, ends: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Returns what the operation makes of first or last rows."""
    found = equation.primitive.bind(jax.numpy.asarray(ends, np.float32), jax.numpy.asarray(indices), **equation.params)
    return np.asarray(found, float)


MOVES: Mapping[str, Rule] = {
    "broadcast_in_dim": _broadcast,
    "concatenate": _concatenate,
    "dynamic_slice": _dynamic_slice,
    "gather": _gather,
    "pad": _pad,
    "reshape": _reshape,
    "rev": _reversal,
    "slice": _slice,
    "split": _split,
    "squeeze": _squeeze,
    "transpose": _transpose,
}
"""By primitive."""

"""How receptive fields pass through matrix products, also those with a matrix that is known, as that of resizing."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jax.extend.core import JaxprEqn

from jaxcnn.analysis import field
from jaxcnn.analysis.field import Side
from jaxcnn.analysis.moves import spread
from jaxcnn.analysis.reach import UNKNOWN, Input, Reach, both, merged, shape_of


def product(equation: JaxprEqn, inputs: Sequence[Input], beyond: bool) -> Reach:
    """Returns the field of `dot_general`.

    Args:
        equation: the operation.
        inputs: its two operands.
        beyond: see `field.slid`.
    """
    contracted, batched = equation.params["dimension_numbers"]
    rank = len(shape_of(equation.outvars[0]))
    free = [
        [axis for axis in range(len(each.shape)) if axis not in (*summed, *shared)]
        for each, summed, shared in zip(inputs, contracted, batched, strict=True)
    ]
    parts: list[Reach] = []
    for number, (each, summed, shared) in enumerate(zip(inputs, contracted, batched, strict=True)):
        other = inputs[1 - number]
        if each.reach is None:
            continue
        over_positions = any(axis in side.axes for side in each.reach for axis in summed)  # type: ignore[union-attr]
        if over_positions and other.known is not None and not np.all(matrix := other.known()):
            if shared or len(summed) > 1 or matrix.ndim != 2:
                return UNKNOWN  # a resampling is a matrix of (old, new) positions, without batch axes
            used = matrix.astype(bool) if contracted[1 - number] == (0,) else matrix.astype(bool).T
            place = 0 if number else len(free[0])  # the axis of the output that has the new positions
            parts.append(both(functools.partial(_resampled, axis=summed[0], used=used, place=place), each.reach))
            continue

        def multiplied(side: Side, number: int = number, summed: Any = summed, shared: Any = shared) -> Side:
            side = field.reduced(side, summed, beyond=beyond, keep=True)
            order = (*shared, *free[number], *summed)
            side = field.permuted(side, order)
            side = field.dropped(side, range(len(order) - len(summed), len(order)))
            places = [*range(len(shared)), *_after(number, len(shared), free)]
            return spread(side, places, rank)

        parts.append(both(multiplied, each.reach))
    return merged(parts, rank)


def _after(number: int, shared: int, free: Sequence[Sequence[int]]) -> range:
    """Returns the output's axes of the axes of operand `number` that are neither shared nor summed."""
    start = shared + (len(free[0]) if number else 0)
    return range(start, start + len(free[number]))


def _resampled(side: Side, axis: int, used: np.ndarray, place: int) -> Side:
    """Returns the side of positions that each are a sum over some of the old ones.

    Args:
        side: of the array.
        axis: of the old positions.
        used: (old positions, new positions) bool, which are summed.
        place: of the new axis among those of the output.
    """
    if side.first.shape[axis] == 1 and axis not in side.axes and used.any(0).all():
        first, last = side.first, side.last
    else:
        shape = (*side.first.shape[:axis], len(used), *side.first.shape[axis + 1 :])
        old = [np.moveaxis(np.broadcast_to(end, shape), axis, -1)[..., None, :] for end in (side.first, side.last)]
        first, last = np.where(used.T, old[0], np.inf).min(-1), np.where(used.T, old[1], -np.inf).max(-1)
        first, last = np.moveaxis(first, -1, axis), np.moveaxis(last, -1, axis)
    step = side.axes.get(axis)
    axes = side.axes if step is None else {**side.axes, axis: step * _pace(used)}
    others = [each for each in range(first.ndim) if each != axis]
    order = [*others[:place], axis, *others[place:]]
    return field.permuted(side._replace(first=first, last=last, axes=axes), order)


def _pace(used: np.ndarray) -> float:
    """Returns how many old positions lie between neighbouring new ones; nan unless both run in one direction.

    Args:
        used: as of `_resampled`.
    """
    begins, ends = used.argmax(0), len(used) - 1 - used[::-1].argmax(0)
    forth = used.any(0).all() and (np.diff(begins) >= 0).all() and (np.diff(ends) >= 0).all()
    return len(used) / used.shape[1] if forth else math.nan

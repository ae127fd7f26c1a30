"""Max pooling with a gradient of our own. XLA's on a CPU, select_and_scatter, takes ten times as long."""

import functools
import math
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.accel.cpu.once import once
from jaxcnn.accel.form import shared
from jaxcnn.ops.pool import Windows, largest
from jaxcnn.ops.window import Pair, surround, tap_slices
from jaxcnn.types import Array


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def max_pool_by_taps(x: Array, windows: Windows) -> Array:
    """Returns the result of `jaxcnn.ops.pool.largest`, with the same arguments. Differentiable in reverse mode only."""
    return largest(x, windows)


def _forward(x: Array, windows: Windows) -> tuple[Array, tuple[Array, Array]]:
    y = shared(_largest_by_taps, x, windows=windows)
    return y, (x, y)


def _largest_by_taps(x: Array, windows: Windows) -> Array:
    """Returns the result of `largest`, which takes up to four times as long if windows overlap."""
    shape, steps, pads = windows
    padded = surround(x, pads, value=-math.inf)
    return functools.reduce(jnp.maximum, (cells for _, cells in tap_slices(padded, shape, steps)))


def _first_matches(padded: Array, y: Array, windows: Windows) -> Iterator[tuple[Pair, Array]]:
    """Yields each tap with a mask, of y's shape, of the windows in which it is the first cell with the maximum."""
    claimed = jnp.zeros(y.shape, bool)
    for tap, cells in tap_slices(padded, windows[0], windows[1]):
        holds = (cells == y) & ~claimed
        claimed = claimed | holds
        yield tap, holds


def _backward(windows: Windows, kept: tuple[Array, Array], g: Array) -> tuple[Array]:
    return (shared(_scattered, *kept, g, windows=windows),)


def _scattered(x: Array, y: Array, g: Array, windows: Windows) -> Array:
    """Returns the gradient for x.

    Args:
        x: the image batch.
        y: the maxima.
        g: cotangents of the maxima.
        windows: size, strides and padding.
    """
    shape, steps, pads = windows
    padded = surround(x, pads, value=-math.inf)
    total = (_tiled if shape == steps else _overlapping)(padded, y, g, windows)
    (top, _), (left, _) = pads
    return total[:, top : top + x.shape[1], left : left + x.shape[2]]


def _tiled(padded: Array, y: Array, g: Array, windows: Windows) -> Array:
    """Returns the gradient for `padded` if windows do not overlap: each cell is compared with its window's maximum."""
    (height, width), _, _ = windows
    numbers = np.arange(height * width, dtype=np.int32)
    chosen = once(functools.partial(_chosen_taps, windows=windows), padded, y)
    holds = chosen[:, :, None, :, None] == numbers.reshape(1, 1, height, 1, width, 1)
    cells = jnp.where(holds, g[:, :, None, :, None], jnp.zeros((), g.dtype))
    cells = cells.reshape(y.shape[0], y.shape[1] * height, y.shape[2] * width, y.shape[3])
    return jnp.pad(cells, [(0, whole - part) for whole, part in zip(padded.shape, cells.shape, strict=True)])


def _chosen_taps(padded: Array, y: Array, *, windows: Windows) -> Array:
    """Returns the number, row by row, of each window's first cell with the maximum; -1 if there is none, for NaNs."""
    chosen = jnp.full(y.shape, -1, jnp.int32)
    for number, (_, holds) in enumerate(_first_matches(padded, y, windows)):
        chosen = jnp.where(holds, number, chosen)
    return chosen


def _overlapping(padded: Array, y: Array, g: Array, windows: Windows) -> Array:
    """Returns the gradient for `padded` if windows overlap: it adds cotangents, one cell of each window at a time."""
    _, steps, _ = windows
    nothing = jnp.zeros((), g.dtype)
    total = jnp.zeros(padded.shape, g.dtype)
    for tap, holds in _first_matches(padded, y, windows):
        # the transpose of the strided slice at this tap: strides - 1 empty cells between neighbours
        around = [
            (t, padded.shape[axis] - t - (y.shape[axis] - 1) * s - 1)
            for axis, t, s in zip((1, 2), tap, steps, strict=True)
        ]
        total = total + surround(jnp.where(holds, g, nothing), (around[0], around[1]), steps)
    return total


max_pool_by_taps.defvjp(_forward, _backward)

"""Pooling: one number for each window of each channel."""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxcnn.errors import UserError
from jaxcnn.ops.window import (
    Padding,
    Pads,
    Pair,
    ceil_pads,
    check_fits,
    image_size,
    pair,
    resolve_padding,
    too_small,
)
from jaxcnn.types import Array

Windows = tuple[Pair, Pair, Pads]
"""Window size, strides and padding, each per axis (height, width)."""


def windows_of(
    what: str,
    x: Array,
    window: int | Sequence[int],
    strides: int | Sequence[int] | None,
    padding: Padding,
    ceil: bool = False,
) -> Windows:
    """Returns the windows on x; arguments and errors as in `max_pool`; `what` is the operation's name, for messages.

    Args:
        what: name of the operation, for messages.
        x: as in `max_pool`.
        window: as in `max_pool`.
        strides: as in `max_pool`.
        padding: as in `max_pool`.
        ceil: as in `max_pool`.
    """
    shape, steps = pair(window), pair(window if strides is None else strides)
    if min(*shape, *steps) < 1:
        raise UserError(f"{what} wants a window and strides of at least one cell, got {shape} and {steps}")
    pads = resolve_padding(padding, image_size(x), shape, steps)
    if any(max(p) >= k for p, k in zip(pads, shape, strict=True)):
        raise UserError(f"{what} with a {shape[0]}x{shape[1]} window needs less padding than the window has cells")
    if not ceil:
        check_fits(what, image_size(x), pads, shape)
        return shape, steps, pads
    (top, bottom), (left, right) = pads
    check_fits(what, image_size(x), ((top, bottom + steps[0] - 1), (left, right + steps[1] - 1)), shape)
    return shape, steps, ceil_pads(image_size(x), pads, shape, steps)


def _per_image(windows: Windows) -> dict[str, tuple]:
    """Returns the arguments of `lax.reduce_window`, including the axes of batch and channels."""
    shape, steps, pads = windows
    return {
        "window_dimensions": (1, *shape, 1),
        "window_strides": (1, *steps, 1),
        "padding": ((0, 0), *pads, (0, 0)),
    }


def max_pool(
    x: Array,
    window: int | Sequence[int],
    *,
    strides: int | Sequence[int] | None = None,
    padding: Padding = "valid",
    ceil: bool = False,
) -> Array:
    """Returns the largest value in each window.

    Padded cells are minus infinity. Among equal values the gradient goes to the first, row by row, as XLA's does.

    Args:
        x: (batch, height, width, channels), any float dtype.
        window: cells, one number or (height, width).
        strides: cells per slide; None: the window's size.
        padding: see `Padding`; less than the window on each side.
        ceil: the last window may reach over the border, as with PyTorch's `ceil_mode`; see `ops.window.ceil_pads`.

    Returns:
        (batch, out_height, out_width, channels) of x's dtype.

    Raises:
        UserError: an unknown padding, too much of it, or an image too small.
    """
    return largest(x, windows_of("max pooling", x, window, strides, padding, ceil))


def largest(x: Array, windows: Windows) -> Array:
    """Returns the largest value in each window of x (batch, height, width, channels)."""
    return lax.reduce_window(x, np.array(-np.inf, x.dtype), lax.max, **_per_image(windows))


def avg_pool(
    x: Array,
    window: int | Sequence[int],
    *,
    strides: int | Sequence[int] | None = None,
    padding: Padding = "valid",
    count_padding: bool = True,
    ceil: bool = False,
) -> Array:
    """Returns the mean of each window; padded cells are 0.

    Args:
        x: (batch, height, width, channels), any float dtype; sums are in float32 at least.
        window: cells, one number or (height, width).
        strides: cells per slide; None: the window's size.
        padding: see `Padding`; less than the window on each side.
        count_padding: whether padding counts in the number of cells by which a sum is divided.
        ceil: the last window may reach over the border, as with PyTorch's `ceil_mode`; see `ops.window.ceil_pads`.
            Cells beyond the padding never count.

    Returns:
        (batch, out_height, out_width, channels) of x's dtype.

    Raises:
        UserError: an unknown padding, too much of it, or an image too small.
    """
    shape, steps, pads = windows = windows_of("average pooling", x, window, strides, padding, ceil)
    wide = x.astype(jnp.float64 if x.dtype == jnp.float64 else jnp.float32)
    total = lax.reduce_window(wide, np.array(0, wide.dtype), lax.add, **_per_image(windows))
    counting = resolve_padding(padding, image_size(x), shape, steps) if count_padding else ((0, 0), (0, 0))
    axes = zip(image_size(x), shape, steps, pads, counting, strict=True)
    rows, columns = (_counted_cells(*axis) for axis in axes)
    return (total / _divisor(rows, columns, wide.dtype)).astype(x.dtype)


def _counted_cells(size: int, window: int, stride: int, around: Pair, counting: Pair) -> np.ndarray:
    """Returns the number of cells of each window along one axis that are in the image or in the padding `counting`."""
    cells = np.pad(np.ones(size, int), counting, constant_values=1)
    cells = np.pad(cells, [max(0, of - counted) for of, counted in zip(around, counting, strict=True)])
    return np.lib.stride_tricks.sliding_window_view(cells, window)[::stride].sum(1)


def _divisor(rows: np.ndarray, columns: np.ndarray, dtype: np.dtype) -> np.ndarray | int:
    """Returns the number of cells of each window (1, out_height, out_width, 1), or one number if all are equal."""
    counts = np.outer(rows, columns)
    return int(counts[0, 0]) if (counts == counts[0, 0]).all() else counts.astype(dtype)[None, :, :, None]


def region_means(x: Array, regions: int) -> Array:
    """Returns (batch, regions, regions, channels): means of regions that cover x, overlapping if they must.

    Region i goes from floor(i * size / regions) to ceil((i + 1) * size / regions), as in PyTorch's adaptive pooling.
    """
    for axis in (1, 2):
        size = x.shape[axis]
        borders = [(i * size // regions, -(-(i + 1) * size // regions)) for i in range(regions)]
        cuts = [lax.slice_in_dim(x, first, end, axis=axis) for first, end in borders]
        x = jnp.concatenate([jnp.mean(cut, axis=axis, keepdims=True) for cut in cuts], axis=axis)
    return x


def global_avg_pool(x: Array) -> Array:
    """Returns the mean of each channel, (batch, height, width, channels) -> (batch, channels) (Lin et al. 2014)."""
    image_size(x)
    return jnp.mean(x, axis=(1, 2))


def global_max_pool(x: Array) -> Array:
    """Returns the maximum of each channel, (batch, height, width, channels) -> (batch, channels).

    Equal values share the gradient.
    """
    image_size(x)
    return jnp.max(x, axis=(1, 2))


def fractional_max_pool(
    x: Array, ratio: float, key: Array, *, overlapping: bool = True, pseudorandom: bool = True
) -> Array:
    """Returns an image that is smaller by a ratio between 1 and 2 (Graham 2014, "Fractional max-pooling").

    Rows and columns are divided at two random index sequences that rise by 1 or 2 at a time. They depend on the key,
    and are the same for the whole batch. Equal values share the gradient.

    Args:
        x: (batch, height, width, channels), any float dtype.
        ratio: input size / output size, 1 < ratio < 2.
        key: of `jax.random`.
        overlapping: neighbouring regions share their border row or column.
        pseudorandom: the rises follow ceil(ratio * (i + u)) for a random u, else they are shuffled.

    Returns:
        (batch, floor(height / ratio), floor(width / ratio), channels) of x's dtype. If regions are disjoint and the
        output size is less than half the input's, the last row or column is left out; else every cell is in a region.

    Raises:
        UserError: a ratio out of range, or an image too small.
    """
    if not 1 < ratio < 2:
        raise UserError(f"fractional max pooling wants a ratio between 1 and 2, got {ratio}")
    size = image_size(x)
    if min(size) < 2:
        raise too_small("fractional max pooling", (2, 2), size)
    for axis, axis_key in zip((1, 2), jax.random.split(key), strict=True):
        borders = _borders(x.shape[axis], int(x.shape[axis] / ratio), axis_key, overlapping, pseudorandom)
        x = _max_between(x, axis, borders, overlapping)
    return x


def _borders(size: int, regions: int, key: Array, overlapping: bool, pseudorandom: bool) -> Array:
    """Returns the regions' borders (regions + 1,), from 0 up to the last cell (overlapping) or one past it."""
    length = min(size - overlapping, 2 * regions)
    if pseudorandom:
        # ceil(ratio * (i + u)) in integers, since float rounding could miss the last border by one
        return (jnp.arange(regions + 1) * length + jax.random.randint(key, (), 0, regions)) // regions
    rises = np.repeat([1, 2], [2 * regions - length, length - regions])
    return jnp.concatenate([jnp.zeros(1, int), jnp.cumsum(jax.random.permutation(key, rises))])


def _max_between(x: Array, axis: int, borders: Array, overlapping: bool) -> Array:
    last = borders[1:] if overlapping else borders[1:] - 1
    # a region with fewer cells than the widest repeats its last cell, which does not change the maximum
    indices = (jnp.minimum(borders[:-1] + step, last) for step in range(2 + overlapping))
    return functools.reduce(jnp.maximum, (jnp.take(x, index, axis=axis, mode="clip") for index in indices))

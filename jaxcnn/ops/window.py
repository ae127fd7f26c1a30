"""Geometry of sliding windows: padding, strides, dilation and output size.

Convolution, pooling and im2col share it. Sizes are Python ints; pairs are (height, width).
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxcnn.errors import UserError, check_word, unknown_word
from jaxcnn.types import Array

Padding: TypeAlias = str | int | Sequence[int | tuple[int, int]]
"""Cells added at the border: 'valid' (none), 'same' (output size ceil(size / stride), an odd cell at the bottom and
right, as in XLA), 'same_lower' (an odd cell at the top and left, as lectures draw even kernels), a number of cells on
every side, or for each axis a number or a pair (before, after)."""

Pair: TypeAlias = tuple[int, int]
Pads: TypeAlias = tuple[Pair, Pair]


class Slide(NamedTuple):
    """How a kernel slides over an image; each field is per axis (height, width)."""

    strides: Pair
    pads: Pads
    dilation: Pair


PADDING_WORDS = ("valid", "same", "same_lower")
FILLS = {"zero": "constant", "reflect": "reflect", "edge": "edge"}
"""By content of padded cells, the mode of `jnp.pad`."""


def pair(value: int | Sequence[int]) -> Pair:
    """Returns (value, value) for a number and the two values of a pair."""
    if isinstance(value, int):
        return value, value
    if len(value) != 2:
        raise UserError(f"wanted one number or two (height, width), got {tuple(value)}")
    return int(value[0]), int(value[1])


def reach(kernel_size: int, dilation: int = 1) -> int:
    """Returns the number of cells that a dilated window spans: dilation * (kernel_size - 1) + 1."""
    return dilation * (kernel_size - 1) + 1


def _same(size: int, span: int, stride: int, lower: bool) -> Pair:
    total = max((-(-size // stride) - 1) * stride + span - size, 0)
    small, large = total // 2, total - total // 2
    return (large, small) if lower else (small, large)


def _explicit(padding: int | Sequence[int | tuple[int, int]]) -> Pads:
    per_axis = (padding, padding) if isinstance(padding, int) else tuple(padding)
    if len(per_axis) != 2:
        raise UserError(f"padding wants a word, a number or one entry per axis (height, width), got {padding!r}")
    pads = tuple(pair(entry) for entry in per_axis)
    if min(min(entry) for entry in pads) < 0:
        raise UserError(f"padding must not be negative, got {padding!r}")
    return pads[0], pads[1]


def resolve_padding(
    padding: Padding,
    size: Pair,
    kernel_size: int | Sequence[int],
    strides: int | Sequence[int] = 1,
    dilation: int | Sequence[int] = 1,
) -> Pads:
    """Returns the cells to add as ((top, bottom), (left, right)) for an image of `size` (height, width).

    Args:
        padding: see `Padding`.
        size: (height, width) of the image.
        kernel_size: one number or (height, width).
        strides: one number or (down, right).
        dilation: one number or (down, right).

    Raises:
        UserError: for an unknown name, a negative amount, or another number of entries than axes.
    """
    if not isinstance(padding, str):
        return _explicit(padding)
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding not in PADDING_WORDS:
        raise unknown_word("padding", padding, PADDING_WORDS)
    axes = zip(size, pair(kernel_size), pair(strides), pair(dilation), strict=True)
    top, left = (_same(n, reach(k, d), s, padding == "same_lower") for n, k, s, d in axes)
    return top, left


def _ceil(size: int, around: Pair, kernel_size: int, stride: int) -> int:
    """Returns the number of windows along an axis. The last may reach over the border, but not begin beyond it."""
    windows = -((kernel_size - size - sum(around)) // stride) + 1
    return windows - ((windows - 1) * stride >= size + around[0])


def ceil_pads(size: Pair, pads: Pads, kernel_size: Pair, strides: Pair) -> Pads:
    """Returns `pads` with additional cells at the bottom and right, for the last windows that reach over the border.

    Output sizes are then PyTorch's with `ceil_mode`: ceil((n + 2p - k) / s) + 1 per axis, less one if the last window
    would begin beyond the image and the padding before it. If no window fits at all, `pads` is returned.

    Args:
        size: (height, width) of the image.
        pads: ((top, bottom), (left, right)).
        kernel_size: (height, width), with dilation.
        strides: (down, right).
    """

    def longer(n: int, around: Pair, k: int, s: int) -> Pair:
        windows = _ceil(n, around, k, s)
        return (around[0], max(around[1], (windows - 1) * s + k - n - around[0])) if windows > 0 else around

    top, left = (longer(*axis) for axis in zip(size, pads, kernel_size, strides, strict=True))
    return top, left


def output_size(
    size: int | Sequence[int],
    kernel_size: int | Sequence[int],
    *,
    strides: int | Sequence[int] = 1,
    padding: Padding = "valid",
    dilation: int | Sequence[int] = 1,
    ceil: bool = False,
) -> int | Pair:
    """Returns floor((n + 2p - d(k - 1) - 1) / s + 1) per axis (Dumoulin and Visin 2016, relationship 15).

    The result is an int for an int `size`, else (height, width). If it is below 1, the window does not fit. With `ceil`
    the last window may reach over the border, see `ceil_pads`.

    Args:
        size: of the image, one number or (height, width).
        kernel_size: one number or (height, width).
        strides: one number or (down, right).
        padding: see `Padding`.
        dilation: one number or (down, right).
        ceil: the last window may reach over the border.
    """
    sizes = pair(size)
    pads = resolve_padding(padding, sizes, kernel_size, strides, dilation)
    if ceil:
        spans = [reach(k, d) for k, d in zip(pair(kernel_size), pair(dilation), strict=True)]
        pads = ceil_pads(sizes, pads, (spans[0], spans[1]), pair(strides))
    axes = zip(sizes, pads, pair(kernel_size), pair(strides), pair(dilation), strict=True)
    height, width = ((n + sum(p) - reach(k, d)) // s + 1 for n, p, k, s, d in axes)
    return height if isinstance(size, int) else (height, width)


def image_size(x: Array) -> Pair:
    """Returns (height, width) of x (batch, height, width, channels).

    Raises:
        UserError: if x has another rank.
    """
    if x.ndim != 4:
        raise UserError(f"an image batch is (batch, height, width, channels), got shape {x.shape}")
    return x.shape[1], x.shape[2]


def check_fits(what: str, size: Pair, pads: Pads, kernel_size: Pair, dilation: Pair = (1, 1)) -> None:
    """Raises `UserError` if the window does not fit into `size`. The message names the smallest image for `what`.

    Args:
        what: name of the operation, for messages.
        size: (height, width) of the image.
        pads: ((top, bottom), (left, right)).
        kernel_size: (height, width).
        dilation: (down, right).
    """
    spans = [reach(k, d) for k, d in zip(kernel_size, dilation, strict=True)]
    least = [max(span - sum(p), 1) for span, p in zip(spans, pads, strict=True)]
    if any(n < m for n, m in zip(size, least, strict=True)):
        window = f"{kernel_size[0]}x{kernel_size[1]}"
        raise too_small(f"{what} with a {window} window", (least[0], least[1]), size)


def too_small(what: str, least: Pair, size: Pair) -> UserError:
    """Returns the error for an image of `size` if `what` needs at least `least`, both (height, width)."""
    return UserError(f"{what} needs an image of at least {least[0]}x{least[1]}, got {size[0]}x{size[1]}")


def pad(x: Array, pads: Pads, fill: str = "zero") -> Array:
    """Returns x (batch, height, width, channels) with cells added around it.

    Args:
        x: any dtype, which the result has too.
        pads: ((top, bottom), (left, right)).
        fill: 'zero'; 'reflect' mirrors around the border cell, which is not repeated; 'edge' repeats the border cell.

    Raises:
        UserError: for an unknown fill, or 'reflect' with at least as many cells as the image has.
    """
    check_word("fill", fill, FILLS)
    widest = max(pads[0]), max(pads[1])
    size = image_size(x)
    if fill == "reflect" and (widest[0] >= size[0] or widest[1] >= size[1]):
        raise too_small(f"reflect padding by {widest[0]} and {widest[1]}", (widest[0] + 1, widest[1] + 1), size)
    return jnp.pad(x, ((0, 0), *pads, (0, 0)), mode=FILLS[fill])


def surround(x: Array, pads: Pads, spread: Pair = (1, 1), value: float = 0.0) -> Array:
    """Returns x with cells of `value` around it and, if `spread` is above 1, between its cells.

    Args:
        x: (batch, height, width, channels), any float dtype, which the result has too.
        pads: ((top, bottom), (left, right)); a negative number removes cells.
        spread: (down, right), the distance between neighbouring cells in the result.
        value: of the new cells.
    """
    rows, columns = ((*around, distance - 1) for around, distance in zip(pads, spread, strict=True))
    return lax.pad(x, jnp.array(value, x.dtype), ((0, 0, 0), rows, columns, (0, 0, 0)))


def tap_slices(x: Array, kernel_size: Pair, strides: Pair, dilation: Pair = (1, 1)) -> Iterator[tuple[Pair, Array]]:
    """Yields, for each cell of the window, its offset and the values under it at all positions, row by row.

    Args:
        x: (batch, height, width, channels), already padded.
        kernel_size: (height, width).
        strides: (down, right).
        dilation: distance of neighbouring cells of the window.

    Yields:
        (down, right) in cells of x, and an array (batch, out_height, out_width, channels).
    """
    axes = zip(image_size(x), kernel_size, strides, dilation, strict=True)
    spans = [(n - reach(k, d)) // s * s + 1 for n, k, s, d in axes]
    for i, j in np.ndindex(kernel_size):
        tap = i * dilation[0], j * dilation[1]
        stops = [t + span for t, span in zip(tap, spans, strict=True)]
        yield tap, lax.slice(x, (0, *tap, 0), (x.shape[0], *stops, x.shape[3]), (1, *strides, 1))

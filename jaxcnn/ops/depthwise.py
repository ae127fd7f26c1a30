"""Depthwise convolutions on a CPU: sums of shifted images, a slab of rows at a time.

The loop over the slabs is there for what follows it: its result is an array in memory. What is not the result of a loop
XLA would rather compute anew in each place that uses it, all taps and all that goes before them: EfficientNet-B0 trains
six times as slowly without.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxcnn.ops.window import Pads, Pair, Slide, reach, tap_slices
from jaxcnn.types import Array

_SLAB = 2**20
"""Bytes of a slab, about: few enough to stay in a core's cache while the taps go over them."""


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def depthwise(x: Array, kernel: Array, slide: Slide) -> Array:
    """Returns the convolution of each channel with a kernel of its own. Differentiable in reverse mode only.

    Args:
        x: (batch, height, width, channels).
        kernel: (height, width, 1, channels), of x's dtype.
        slide: how the kernel goes over x.

    Returns:
        (batch, out_height, out_width, channels) of x's dtype.
    """
    return _convolved(x, kernel, slide)


def _forward(x: Array, kernel: Array, slide: Slide) -> tuple[Array, tuple[Array, Array]]:
    return _convolved(x, kernel, slide), (x, kernel)


def _backward(slide: Slide, kept: tuple[Array, Array], g: Array) -> tuple[Array, Array]:
    x, kernel = kept
    return _image_slope(x, kernel, slide, g), _kernel_slope(x, kernel, slide, g)


depthwise.defvjp(_forward, _backward)


class _Slabs(NamedTuple):
    """An output as `number` slabs of `rows` each, the last of which may reach below it."""

    number: int
    rows: int

    @classmethod
    def of(cls, batch: int, height: int, width: int, channels: int, cell: int) -> "_Slabs":
        """Returns the slabs of an image batch with cells of `cell` bytes: at least two, so that there is a loop."""
        wanted = round(batch * height * width * channels * cell / _SLAB)
        rows = -(-height // min(max(wanted, 2), height))
        return cls(-(-height // rows), rows)


def _convolved(x: Array, kernel: Array, slide: Slide, spread: Pair = (1, 1)) -> Array:
    """Returns the convolution of x with `spread` - 1 zeros between its cells."""
    axes = zip(x.shape[1:3], spread, slide.pads, _size(kernel), slide.dilation, slide.strides, strict=True)
    height, width = (((n - 1) * gap + sum(p) + 1 - reach(k, d)) // s + 1 for n, gap, p, k, d, s in axes)
    slabs = _Slabs.of(x.shape[0], height, width, x.shape[3], x.dtype.itemsize)
    cut = _cutter(x, kernel, slide, height, slabs, spread)

    def convolve(slab: Array, out: Array) -> Array:
        return lax.dynamic_update_slice_in_dim(out, _taps(cut(slab), kernel, slide), slab * slabs.rows, axis=1)

    blank = lax.full_like(x, 0, shape=(x.shape[0], slabs.number * slabs.rows, width, x.shape[3]))
    return lax.fori_loop(0, slabs.number, convolve, blank)[:, :height]


def _taps(cells: Array, kernel: Array, slide: Slide) -> Array:
    """Returns the sum of the shifted images, each times its cell of the kernel."""
    weights = kernel.reshape(-1, 1, 1, 1, kernel.shape[-1])
    shifted = tap_slices(cells, _size(kernel), slide.strides, slide.dilation)
    return functools.reduce(jnp.add, (image * weight for (_, image), weight in zip(shifted, weights, strict=True)))


def _image_slope(x: Array, kernel: Array, slide: Slide, g: Array) -> Array:
    """Returns the gradient for x: the mirrored kernel over the cotangents, which stand as far apart as it strode."""
    pads = []
    axes = zip(x.shape[1:3], g.shape[1:3], _size(kernel), slide.strides, slide.pads, slide.dilation, strict=True)
    for cells, results, size, stride, (before, _), dilation in axes:
        first = reach(size, dilation) - 1 - before
        pads.append((first, before + cells - (results - 1) * stride - 1))
    back = Slide((1, 1), (pads[0], pads[1]), slide.dilation)
    return _convolved(g, kernel[::-1, ::-1], back, slide.strides)


def _kernel_slope(x: Array, kernel: Array, slide: Slide, g: Array) -> Array:
    """Returns the gradient for the kernel: of each cell, products summed over examples, then over pixels."""
    batch, height, width, channels = g.shape
    slabs = _Slabs.of(batch, height, width, channels, x.dtype.itemsize)
    cut = _cutter(x, kernel, slide, height, slabs)
    cotangents = _zeros_around(g, ((0, slabs.number * slabs.rows - height), (0, 0)))
    ones = jnp.ones((1, slabs.rows * width), g.dtype)

    def add(slab: Array, slopes: Array) -> Array:
        part = lax.dynamic_slice_in_dim(cotangents, slab * slabs.rows, slabs.rows, axis=1)
        sums = [
            ones @ jnp.sum(image * part, axis=0).reshape(-1, channels)
            for _, image in tap_slices(cut(slab), _size(kernel), slide.strides, slide.dilation)
        ]
        return slopes + jnp.concatenate(sums)

    blank = lax.full_like(g, 0, shape=(kernel.size // channels, channels))
    return lax.fori_loop(0, slabs.number, add, blank).reshape(kernel.shape)


def _cutter(
    x: Array, kernel: Array, slide: Slide, height: int, slabs: _Slabs, spread: Pair = (1, 1)
) -> Callable[[Array], Array]:
    """Returns a function from the number of a slab to the cells of x that it is computed of."""
    stride, (top, bottom) = slide.strides[0], slide.pads[0]
    more = (slabs.number * slabs.rows - height) * stride
    padded = _zeros_around(x, ((top, bottom + more), slide.pads[1]), spread)
    span = (slabs.rows - 1) * stride + reach(kernel.shape[0], slide.dilation[0])
    return lambda slab: lax.dynamic_slice_in_dim(padded, slab * slabs.rows * stride, span, axis=1)


def _zeros_around(x: Array, pads: Pads, spread: Pair = (1, 1)) -> Array:
    """Returns x with `pads` zeros around, of which a negative number cuts, and `spread` - 1 between its cells."""
    rows, columns = ((*around, between - 1) for around, between in zip(pads, spread, strict=True))
    return lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), rows, columns, (0, 0, 0)))


def _size(kernel: Array) -> Pair:
    return kernel.shape[0], kernel.shape[1]

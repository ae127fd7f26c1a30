"""Depthwise convolutions as sums of shifted images. For gradients, each sum is computed once and stored."""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from jaxcnn.accel.cpu.once import once
from jaxcnn.ops.window import Pair, Slide, reach, surround, tap_slices
from jaxcnn.types import Array

_SLAB = 2**20
"""Approximate bytes of a slab of rows, which fits into a core's cache."""


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def depthwise(x: Array, kernel: Array, slide: Slide) -> Array:
    """Returns the convolution of each channel with its own kernel. Differentiable in reverse mode only.

    Args:
        x: (batch, height, width, channels).
        kernel: (height, width, 1, channels), of x's dtype.
        slide: strides, padding and dilation.

    Returns:
        (batch, out_height, out_width, channels) of x's dtype.
    """
    # Without a gradient, one or two operations read the result, and fusing it into them is faster.
    return _taps(surround(x, slide.pads), kernel, slide)


def _forward(x: Array, kernel: Array, slide: Slide) -> tuple[Array, tuple[Array, Array]]:
    y = once(functools.partial(_taps, slide=slide), surround(x, slide.pads), kernel)
    return y, (x, kernel)


def _backward(slide: Slide, kept: tuple[Array, Array], g: Array) -> tuple[Array, Array]:
    x, kernel = kept
    return _image_slope(x, kernel, slide, g), _kernel_slope(x, kernel, slide, g)


depthwise.defvjp(_forward, _backward)


def _taps(cells: Array, kernel: Array, slide: Slide) -> Array:
    """Returns the sum of the shifted images, each multiplied by its cell of the kernel."""
    weights = kernel.reshape(-1, 1, 1, 1, kernel.shape[-1])
    shifted = tap_slices(cells, _size(kernel), slide.strides, slide.dilation)
    return functools.reduce(jnp.add, (image * weight for (_, image), weight in zip(shifted, weights, strict=True)))


def _image_slope(x: Array, kernel: Array, slide: Slide, g: Array) -> Array:
    """Returns the gradient for x: the mirrored kernel slid over the cotangents, with zeros between them for strides.

    Args:
        x: the image batch.
        kernel: of `depthwise`.
        slide: of `depthwise`.
        g: cotangents of the result.
    """
    pads = []
    axes = zip(x.shape[1:3], g.shape[1:3], _size(kernel), slide.strides, slide.pads, slide.dilation, strict=True)
    for cells, results, size, stride, (before, _), dilation in axes:
        first = reach(size, dilation) - 1 - before
        pads.append((first, before + cells - (results - 1) * stride - 1))
    back = functools.partial(_taps, slide=slide._replace(strides=(1, 1)))
    return once(back, surround(g, (pads[0], pads[1]), slide.strides), kernel[::-1, ::-1])


def _kernel_slope(x: Array, kernel: Array, slide: Slide, g: Array) -> Array:
    """Returns the gradient for the kernel: for each cell, products summed over examples and then over pixels.

    A loop goes over slabs of rows, so that a slab is read from memory once for all cells of a row of the kernel. It
    handles one row of the kernel at a time, since a program with all cells takes long to compile.

    Args:
        x: the image batch.
        kernel: of `depthwise`.
        slide: of `depthwise`.
        g: cotangents of the result.
    """
    _, height, width, channels = g.shape
    wanted = max(round(g.size * g.dtype.itemsize / _SLAB), 1)
    rows = -(-height // min(wanted, height))
    slabs = -(-height // rows)
    more, stride = slabs * rows - height, slide.strides[0]
    (top, bottom), columns = slide.pads
    padded = surround(x, ((top, bottom + more * stride), columns))
    cotangents = surround(g, ((0, more), (0, 0)))
    down, right = _size(kernel)
    seen = (rows - 1) * stride + 1
    ones = jnp.ones((1, rows * width), g.dtype)

    def add(step: Array, slopes: Array) -> Array:
        slab, row = lax.div(step, down), lax.rem(step, down)
        cells = lax.dynamic_slice_in_dim(padded, slab * rows * stride + row * slide.dilation[0], seen, axis=1)
        part = lax.dynamic_slice_in_dim(cotangents, slab * rows, rows, axis=1)
        sums = [
            ones @ jnp.sum(image * part, axis=0).reshape(-1, channels)
            for _, image in tap_slices(cells, (1, right), slide.strides, slide.dilation)
        ]
        line = lax.dynamic_slice_in_dim(slopes, row, 1) + jnp.concatenate(sums)[None]
        return lax.dynamic_update_slice_in_dim(slopes, line, row, axis=0)

    blank = lax.full_like(g, 0, shape=(down, right, channels))
    return lax.fori_loop(0, slabs * down, add, blank).reshape(kernel.shape)


def _size(kernel: Array) -> Pair:
    return kernel.shape[0], kernel.shape[1]

"""Convolutions that are slow in XLA on a CPU, as matrix products and sums that are fast."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from jaxcnn.accel.cpu.depthwise import depthwise
from jaxcnn.accel.cpu.once import once
from jaxcnn.accel.cpu.winograd import KERNEL, TILE, winograd
from jaxcnn.ops.conv import convolve
from jaxcnn.ops.window import Slide
from jaxcnn.types import Array

Convolve = Callable[..., Array]
_ORDER = ("NHWC", "HWIO", "NHWC")
_PARTS = 8
"""Most convolutions into which a grouped convolution is divided.

With 16 of at least 16 channels, a step of ResNeXt-50 took as long, and a third longer to compile.
"""
_WIDE_ENOUGH = 128
"""From this number of channels on, transposing an image before a product with it is faster."""
_CHANNELS, _TILES = 48, 64
"""Winograd's algorithm is used from these numbers of input and output channels, and of tiles, on."""


def faster(shape: tuple[int, ...], kernel_shape: tuple[int, ...], slide: Slide, groups: int) -> Convolve | None:
    """Returns a function that is faster than `jaxcnn.ops.conv.convolve`, with the same arguments, or None.

    Args:
        shape: of the image batch.
        kernel_shape: HWIO.
        slide: strides, padding and dilation.
        groups: of the convolution.
    """
    height, width, depth, features = kernel_shape
    if groups > 1:
        return _depthwise_conv if depth == 1 and groups == features else _grouped_conv
    if (height, width) == (1, 1) and slide.pads == ((0, 0), (0, 0)) and depth > 1:
        return _pointwise_conv
    return _winograd_conv if _suits_winograd(shape, kernel_shape, slide) else None


def _suits_winograd(shape: tuple[int, ...], kernel_shape: tuple[int, ...], slide: Slide) -> bool:
    """Returns whether there are enough channels and tiles for Winograd's algorithm to be faster."""
    if kernel_shape[:2] != (KERNEL, KERNEL) or slide.strides != (1, 1) or slide.dilation != (1, 1):
        return False
    height, width = (n + sum(p) - KERNEL + 1 for n, p in zip(shape[1:3], slide.pads, strict=True))
    tiles = shape[0] * -(-height // TILE) * -(-width // TILE)
    return min(kernel_shape[2:]) >= _CHANNELS and tiles >= _TILES and max(map(max, slide.pads)) < KERNEL


def _winograd_conv(x: Array, kernel: Array, slide: Slide, groups: int) -> Array:
    """Returns the convolution with a 3x3 kernel and stride 1 by Winograd's algorithm; arguments as `convolve`."""
    assert groups == 1
    return winograd(x, kernel, slide.pads)


def _pointwise_conv(x: Array, kernel: Array, slide: Slide, groups: int) -> Array:
    """Returns the convolution with a 1x1 kernel, without padding, as a matrix product; arguments as `convolve`."""
    assert groups == 1
    down, right = slide.strides
    return _pointwise(x if slide.strides == (1, 1) else x[:, ::down, ::right], kernel[0, 0])


def _depthwise_conv(x: Array, kernel: Array, slide: Slide, groups: int) -> Array:
    """Returns the depthwise convolution as a sum of shifted images; arguments as `convolve`."""
    assert groups == kernel.shape[-1]
    return depthwise(x, kernel, slide)


@jax.custom_vjp
def _pointwise(x: Array, matrix: Array) -> Array:
    """Returns x (batch, height, width, channels) @ matrix (channels, features)."""
    return x @ matrix


def _pointwise_forward(x: Array, matrix: Array) -> tuple[Array, tuple[Array, Array]]:
    return x @ matrix, (x, matrix)


def _pointwise_backward(kept: tuple[Array, Array], g: Array) -> tuple[Array, Array]:
    x, matrix = kept
    rows, cotangents = x.reshape(-1, x.shape[-1]), g.reshape(-1, g.shape[-1])
    if x.shape[-1] >= _WIDE_ENOUGH:
        slope = once(jnp.transpose, rows) @ cotangents
    else:  # two products, one for each half of the rows: one product of so few columns would use one core only
        halves = 2 - rows.shape[0] % 2
        split = [part.reshape(halves, -1, part.shape[-1]) for part in (rows, cotangents)]
        slope = jnp.sum(jnp.einsum("hnc,hno->hco", *split), axis=0)
    return g @ matrix.T, slope


_pointwise.defvjp(_pointwise_forward, _pointwise_backward)


def _grouped_conv(x: Array, kernel: Array, slide: Slide, groups: int) -> Array:
    """Returns the grouped convolution as a few dense ones, for runs of groups; arguments as `convolve`.

    The kernel of a run is block-diagonal: 0 between different groups.
    """
    parts = max(parts for parts in range(1, _PARTS + 1) if groups % parts == 0)
    together = groups // parts
    kernels = jnp.split(kernel, parts, axis=-1)
    images = jnp.split(x, parts, axis=-1)
    return jnp.concatenate(
        [_dense(image, _block_diagonal(k, together), slide) for image, k in zip(images, kernels, strict=True)],
        axis=-1,
    )


def dense_conv(x: Array, kernel: Array, slide: Slide, groups: int) -> Array:
    """Returns `convolve` without groups, with gradients that are fast in loops.

    Outside of loops XLA brings the axes in that order itself.

    Args:
        x: (batch, height, width, channels), any float dtype.
        kernel: (kernel_height, kernel_width, channels, features), of x's dtype.
        slide: strides, padding and dilation.
        groups: 1.
    """
    assert groups == 1
    return _dense(x, kernel, slide)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _dense(x: Array, kernel: Array, slide: Slide) -> Array:
    """Returns `convolve`, with gradients whose axes are in the order for which XLA is fast.

    XLA transposes to that order itself, but not inside a loop or a conditional. There it computes the gradients in one
    thread without a library: a step of ResNet-20 that took its batch in four parts, which are a loop, was 20 times as
    slow.
    """
    return convolve(x, kernel, slide)


def _dense_forward(x: Array, kernel: Array, slide: Slide) -> tuple[Array, tuple[Array, Array]]:
    return _dense(x, kernel, slide), (x, kernel)


def _dense_backward(slide: Slide, kept: tuple[Array, Array], g: Array) -> tuple[Array, Array]:
    x, kernel = kept
    sizes = list(zip(x.shape[1:3], kernel.shape[:2], g.shape[1:3], slide.strides, slide.dilation, strict=True))
    before = [(k - 1) * d - top for (_, k, _, _, d), (top, _) in zip(sizes, slide.pads, strict=True)]
    after = [n - 1 - (m - 1) * s for n, _, m, s, _ in sizes]
    mirrored = jnp.swapaxes(kernel[::-1, ::-1], 2, 3)
    image = lax.conv_general_dilated(
        g,
        mirrored,
        (1, 1),
        [(b, a + (k - 1) * d - b) for b, a, (_, k, _, _, d) in zip(before, after, sizes, strict=True)],
        lhs_dilation=slide.strides,
        rhs_dilation=slide.dilation,
        dimension_numbers=_ORDER,
    )
    slopes = lax.conv_general_dilated(
        jnp.transpose(x, (3, 1, 2, 0)),
        jnp.transpose(g, (1, 2, 0, 3)),
        slide.dilation,
        [(top, (k - 1) * d - a - top) for a, (top, _), (_, k, _, _, d) in zip(after, slide.pads, sizes, strict=True)],
        rhs_dilation=slide.strides,
        dimension_numbers=_ORDER,
    )
    return image, jnp.transpose(slopes, (1, 2, 0, 3))


_dense.defvjp(_dense_forward, _dense_backward)


def _block_diagonal(kernel: Array, groups: int) -> Array:
    """Returns the dense kernel (height, width, depth * groups, features) that is equal to `kernel` with groups."""
    height, width, depth, features = kernel.shape
    split = kernel.reshape(height, width, 1, depth, groups, features // groups)
    own = jnp.eye(groups, dtype=kernel.dtype).reshape(1, 1, groups, 1, groups, 1)
    return (split * own).reshape(height, width, groups * depth, features)

"""Convolution as a matrix product, in two ways that lectures show. It is for study; `conv` is faster."""

import math
from collections.abc import Sequence

import jax.numpy as jnp

from jaxcnn.ops.conv import check_groups, conv
from jaxcnn.ops.window import Padding, Pair, check_fits, image_size, pad, pair, resolve_padding, tap_slices
from jaxcnn.types import Array


def im2col(
    x: Array,
    kernel_size: int | Sequence[int],
    *,
    strides: int | Sequence[int] = 1,
    padding: Padding = "valid",
    fill: str = "zero",
    dilation: int | Sequence[int] = 1,
) -> Array:
    """Returns the patch under each position of the window as a row (Chellapilla et al. 2006).

    Args:
        x: (batch, height, width, channels), any float dtype.
        kernel_size: cells, one number or (height, width).
        strides: as in `conv`.
        padding: as in `conv`.
        fill: as in `conv`.
        dilation: as in `conv`.

    Returns:
        (batch, out_height, out_width, kernel_height * kernel_width * channels) of x's dtype, channels running fastest:
        the order of `kernel.reshape(-1, features)`.

    Raises:
        UserError: as `conv`.
    """
    size, shape, distance = image_size(x), pair(kernel_size), pair(dilation)
    pads = resolve_padding(padding, size, shape, strides, distance)
    check_fits("convolution", size, pads, shape, distance)
    slices = tap_slices(pad(x, pads, fill), shape, pair(strides), distance)
    return jnp.concatenate([cells for _, cells in slices], axis=-1)


def conv_as_matmul(
    x: Array,
    kernel: Array,
    *,
    strides: int | Sequence[int] = 1,
    padding: Padding = "same",
    fill: str = "zero",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Array:
    """Returns the result of `conv`, computed as a product of patches (positions, taps * channels) and filters.

    Args:
        x: (batch, height, width, channels), any float dtype.
        kernel: (kernel_height, kernel_width, channels / groups, features), of x's dtype.
        strides: as in `conv`.
        padding: likewise.
        fill: likewise.
        dilation: likewise.
        groups: likewise.

    Raises:
        UserError: as `conv`.
    """
    height, width, depth, features = kernel.shape
    check_groups(x.shape[-1], features, groups)
    patches = im2col(x, (height, width), strides=strides, padding=padding, fill=fill, dilation=dilation)
    positions = patches.shape[:3]
    patches = patches.reshape(*positions, height * width, groups, depth)
    filters = kernel.reshape(height * width, depth, groups, features // groups)
    return jnp.einsum("bhwtgd,tdgf->bhwgf", patches, filters).reshape(*positions, features)


def projection_matrix(
    kernel: Array,
    size: Pair,
    *,
    strides: int | Sequence[int] = 1,
    padding: Padding = "same",
    fill: str = "zero",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Array:
    """Returns the matrix of a convolution: matrix @ image.ravel() == conv(image, kernel).ravel().

    Its transpose is the convolution's gradient, or transposed convolution (Dumoulin and Visin 2016, section 4.1).

    Args:
        kernel: (kernel_height, kernel_width, channels / groups, features).
        size: of the image, (height, width).
        strides: as in `conv`.
        padding: as in `conv`.
        fill: as in `conv`.
        dilation: as in `conv`.
        groups: as in `conv`.

    Returns:
        (out_height * out_width * features, height * width * channels) of the kernel's dtype, mostly zeros.

    Raises:
        UserError: as `conv`.
    """
    shape = (*size, kernel.shape[2] * groups)
    one_hot = jnp.eye(math.prod(shape), dtype=kernel.dtype).reshape(-1, *shape)
    columns = conv(one_hot, kernel, strides=strides, padding=padding, fill=fill, dilation=dilation, groups=groups)
    return columns.reshape(one_hot.shape[0], -1).T

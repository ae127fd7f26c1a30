"""Two-dimensional convolution (cross-correlation, as in all deep-learning libraries): NHWC images, HWIO kernels."""

from collections.abc import Sequence

from jax import lax

from jaxcnn.errors import UserError, check_word
from jaxcnn.ops.window import FILLS, Padding, Slide, check_fits, image_size, output_size, pad, pair, resolve_padding
from jaxcnn.types import Array

__all__ = ["Padding", "add_bias", "check_groups", "conv", "convolve", "output_size", "place", "resolve_padding"]


def check_groups(channels: int, features: int, groups: int) -> None:
    """Raises `UserError` unless `groups` divides both the input's channels and the output's features."""
    if groups < 1 or channels % groups or features % groups:
        raise UserError(f"{groups} groups must divide the {channels} input channels and the {features} features")


def conv(
    x: Array,
    kernel: Array,
    *,
    strides: int | Sequence[int] = 1,
    padding: Padding = "same",
    fill: str = "zero",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Array:
    """Returns the convolution of `x` with `kernel`.

    Args:
        x: (batch, height, width, channels), any float dtype.
        kernel: (kernel_height, kernel_width, channels / groups, features), of x's dtype.
        strides: cells per slide, one number or (down, right).
        padding: see `Padding`.
        fill: content of padded cells: 'zero', 'reflect' or 'edge'.
        dilation: distance of neighbouring taps (Yu and Koltun 2016).
        groups: number of groups of channels that are convolved separately (Krizhevsky et al. 2012); as many as channels
            is a depthwise convolution.

    Returns:
        (batch, out_height, out_width, features) of x's dtype; for the size see `output_size`.

    Raises:
        UserError: for an unknown padding or fill, groups that do not divide, or an image that is too small.
    """
    check_groups(x.shape[-1], kernel.shape[-1], groups)
    x, slide = place(x, kernel.shape[:2], strides=strides, padding=padding, fill=fill, dilation=dilation)
    return convolve(x, kernel, slide, groups)


def place(
    x: Array,
    kernel_size: int | Sequence[int],
    *,
    strides: int | Sequence[int] = 1,
    padding: Padding = "same",
    fill: str = "zero",
    dilation: int | Sequence[int] = 1,
) -> tuple[Array, Slide]:
    """Returns the image, and how a kernel of this size slides over it.

    If `fill` is not 'zero', the image is already padded. The `Slide` pads with zeros.

    Args:
        x: (batch, height, width, channels), any dtype.
        kernel_size: in cells, one number or (height, width).
        strides: as in `conv`.
        padding: likewise.
        fill: likewise.
        dilation: likewise.

    Raises:
        UserError: for an unknown padding or fill, or an image that is too small.
    """
    check_word("fill", fill, FILLS)
    size, shape = image_size(x), pair(kernel_size)
    pads = resolve_padding(padding, size, shape, strides, dilation)
    check_fits("convolution", size, pads, shape, pair(dilation))
    if fill != "zero":
        x, pads = pad(x, pads, fill), ((0, 0), (0, 0))
    return x, Slide(pair(strides), pads, pair(dilation))


def convolve(x: Array, kernel: Array, slide: Slide, groups: int = 1) -> Array:
    """Returns the convolution of x (batch, height, width, channels) with `kernel` (HWIO) of the same float dtype.

    Args:
        x: (batch, height, width, channels), any float dtype.
        kernel: (kernel_height, kernel_width, channels / groups, features), of x's dtype.
        slide: strides, padding and dilation.
        groups: as in `conv`.
    """
    return lax.conv_general_dilated(
        x,
        kernel,
        window_strides=slide.strides,
        padding=slide.pads,
        rhs_dilation=slide.dilation,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )


def add_bias(x: Array, bias: Array) -> Array:
    """Returns x (..., channels) plus `bias` (channels,), of its dtype."""
    return x + bias.reshape((1,) * (x.ndim - 1) + bias.shape)

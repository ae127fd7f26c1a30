"""Two-dimensional convolution (cross-correlation, as every deep-learning library's): NHWC images, HWIO kernels."""

from collections.abc import Sequence

from jaxcnn.errors import UserError, check_word
from jaxcnn.ops.cpu_conv import formulation, xla_conv
from jaxcnn.ops.platform import on_cpu
from jaxcnn.ops.sums import add_bias
from jaxcnn.ops.window import FILLS, Padding, Slide, check_fits, image_size, output_size, pad, pair, resolve_padding
from jaxcnn.types import Array

__all__ = ["Padding", "add_bias", "check_groups", "conv", "output_size", "resolve_padding"]


def check_groups(channels: int, features: int, groups: int) -> None:
    """Raises `UserError` where `groups` does not divide both the input's channels and the output's features."""
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
    """Slides `kernel` over `x`. Differentiable in reverse mode only, but in `jaxcnn.runtime.canonical_forms()`.

    Args:
        x: (batch, height, width, channels), any float dtype.
        kernel: (kernel_height, kernel_width, channels / groups, features), of x's dtype.
        strides: cells per slide, one number or (down, right).
        padding: see `Padding`.
        fill: what the padded cells hold: 'zero', 'reflect' or 'edge'.
        dilation: distance of neighbouring taps (Yu and Koltun 2016).
        groups: the channels fall into so many groups that do not see each other (Krizhevsky et al. 2012); as many
            groups as channels is a depthwise convolution.

    Returns:
        (batch, out_height, out_width, features) of x's dtype; for the sizes see `output_size`.

    Raises:
        UserError: an unknown padding or fill, groups that do not divide, or an image too small.
    """
    check_word("fill", fill, FILLS)
    check_groups(x.shape[-1], kernel.shape[-1], groups)
    size, kernel_size = image_size(x), pair(kernel.shape[:2])
    pads = resolve_padding(padding, size, kernel_size, strides, dilation)
    check_fits("convolution", size, pads, kernel_size, pair(dilation))
    if fill != "zero":
        x, pads = pad(x, pads, fill), ((0, 0), (0, 0))
    slide = Slide(pair(strides), pads, pair(dilation))
    faster = formulation(x.shape, kernel.shape, slide, groups)
    if faster is None:
        return xla_conv(x, kernel, slide, groups)
    return on_cpu(faster, xla_conv, x, kernel, slide=slide, groups=groups)

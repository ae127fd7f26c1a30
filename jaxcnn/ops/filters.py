"""Fixed filters of image processing: examples of what a convolution can detect without training."""

import jax.numpy as jnp

from jaxcnn.errors import check_word
from jaxcnn.ops.conv import conv
from jaxcnn.ops.window import Padding
from jaxcnn.types import Array

Rows = tuple[tuple[float, ...], ...]

_SIXTEENTH = 1 / 16
_NINTH = 1 / 9

FILTERS: dict[str, Rows] = {
    # Differences of neighbours: positive if the image is brighter on the left, or at the bottom.
    "vertical_edge": ((1, 0, -1), (1, 0, -1), (1, 0, -1)),
    "horizontal_edge": ((-1, -1, -1), (0, 0, 0), (1, 1, 1)),
    # The same, smoothed along the edge: positive if the image is brighter on the right, or at the bottom (Sobel 1968).
    "sobel_x": ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1)),
    "sobel_y": ((-1, -2, -1), (0, 0, 0), (1, 2, 1)),
    # Second derivatives, over four neighbours and over eight.
    "laplacian": ((0, 1, 0), (1, -4, 1), (0, 1, 0)),
    "edge": ((-1, -1, -1), (-1, 8, -1), (-1, -1, -1)),
    # Filters that keep the brightness: their cells sum to 1.
    "identity": ((0, 0, 0), (0, 1, 0), (0, 0, 0)),
    "sharpen": ((0, -1, 0), (-1, 5, -1), (0, -1, 0)),
    "box_blur": ((_NINTH,) * 3,) * 3,
    "gaussian_blur": tuple(tuple(_SIXTEENTH * cell for cell in row) for row in ((1, 2, 1), (2, 4, 2), (1, 2, 1))),
}
"""By name, the rows of the filter, which are not flipped."""


def apply_filter(x: Array, name: str, *, padding: Padding = "same", fill: str = "edge") -> Array:
    """Returns x with the filter applied to each channel.

    Args:
        x: (batch, height, width, channels), any float dtype.
        name: a key of `FILTERS`.
        padding: as in `conv`.
        fill: as in `conv`; 'edge' makes no artificial edges at the border.

    Returns:
        (batch, out_height, out_width, channels) of x's dtype.

    Raises:
        UserError: for an unknown name, and as `conv`.
    """
    check_word("filter", name, FILTERS)
    rows = jnp.array(FILTERS[name], x.dtype)
    kernel = jnp.broadcast_to(rows[:, :, None, None], (*rows.shape, 1, x.shape[-1]))
    return conv(x, kernel, padding=padding, fill=fill, groups=x.shape[-1])

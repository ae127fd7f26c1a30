"""Random rectangles in images, one for each example."""

import math
from typing import NamedTuple

import jax.numpy as jnp

from jaxcnn.augment.draw import Draw
from jaxcnn.ranges import Range
from jaxcnn.types import Array

SCALES = Range(1e-4, 1)
"""Smallest and largest area that may be asked for, as a fraction of the image's area."""
RATIOS = Range(0.01, 100)
"""Smallest and largest width / height that may be asked for."""
_TRIES = 10


class Box(NamedTuple):
    """A rectangle in each image, which may reach over the border. Fields are (batch,) float32, whole pixels."""

    top: Array
    left: Array
    height: Array
    width: Array

    def inside(self, shape: tuple[int, ...]) -> Array:
        """Returns a mask of the pixels in the boxes, (batch, height, width, 1) bool, for images of `shape`."""
        rows = _between(shape[1], self.top, self.height)
        columns = _between(shape[2], self.left, self.width)
        return rows[:, :, None, None] & columns[:, None, :, None]


def draw_box(
    draw: Draw, shape: tuple[int, ...], scale: tuple[float, float], ratio: tuple[float, float]
) -> tuple[Box, Array]:
    """Returns a box of random area and aspect within each image, and whether one was found, (batch,) bool.

    Height and width are drawn until they fit, at most ten times. Every position is then equally likely (Szegedy et al.,
    2015). The logarithm of the aspect is uniform, as in torchvision.

    Args:
        draw: random keys of the batch.
        shape: (batch, height, width, channels) of the images.
        scale: smallest and largest area, as fractions of the image's area.
        ratio: smallest and largest width / height.
    """
    _, height, width, _ = shape
    uniform = draw.uniform(2 * _TRIES + 2)
    area = height * width * _stretch(uniform[:_TRIES], *scale)
    aspect = jnp.exp(_stretch(uniform[_TRIES:-2], *map(math.log, ratio)))
    heights, widths = jnp.round(jnp.sqrt(area / aspect)), jnp.round(jnp.sqrt(area * aspect))
    fits = (heights >= 1) & (heights <= height) & (widths >= 1) & (widths <= width)
    first = jnp.argmax(fits, axis=0, keepdims=True)
    high, wide = (jnp.take_along_axis(sides, first, axis=0)[0] for sides in (heights, widths))
    top, left = jnp.floor(uniform[-2] * (height - high + 1)), jnp.floor(uniform[-1] * (width - wide + 1))
    return Box(top, left, high, wide), jnp.any(fits, axis=0)


def _stretch(uniform: Array, low: float, high: float) -> Array:
    return low + uniform * (high - low)


def _between(size: int, start: Array, length: Array) -> Array:
    """Returns (batch, size) bool: which of range(size) lie in [start, start + length)."""
    place = jnp.arange(size, dtype=jnp.float32)[None, :]
    return (place >= start[:, None]) & (place < (start + length)[:, None])

"""Rectangles in images, drawn example by example."""

import math
from typing import NamedTuple

import jax.numpy as jnp

from jaxcnn.augment.draw import Draw
from jaxcnn.types import Array

SCALES = 1e-4, 1
"""The areas that a box may be asked to have, as parts of the image's."""
RATIOS = 0.01, 100
"""Its width / height likewise."""
_TRIES = 10


class Box(NamedTuple):
    """A rectangle in each image: (batch,) float32 whole numbers of pixels; it may reach over the border."""

    top: Array
    left: Array
    height: Array
    width: Array

    def inside(self, shape: tuple[int, ...]) -> Array:
        """Returns which pixels lie in the boxes, (batch, height, width, 1) bool, for images of `shape`."""
        rows = _between(shape[1], self.top, self.height)
        columns = _between(shape[2], self.left, self.width)
        return rows[:, :, None, None] & columns[:, None, :, None]


def draw_box(
    draw: Draw, shape: tuple[int, ...], scale: tuple[float, float], ratio: tuple[float, float]
) -> tuple[Box, Array]:
    """Returns a box within each image, of random area and aspect, and whether one was found that fits, (batch,) bool.

    Sides are drawn until they fit, at most ten times; then any place is equally likely (Szegedy et al., 2015, with the
    aspect uniform in its logarithm, as torchvision has it).

    Args:
        draw: of the batch.
        shape: of the images.
        scale: smallest and largest area, as parts of the image's.
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

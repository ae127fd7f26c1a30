"""Random crops, resized."""

import math

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxcnn.augment.boxes import RATIOS, SCALES, Box, draw_box
from jaxcnn.augment.checks import check_pair
from jaxcnn.augment.draw import Augment, Draw
from jaxcnn.ranges import PIXELS, check_whole
from jaxcnn.types import Array


def random_resized_crop(
    scale: tuple[float, float] = (0.08, 1.0), ratio: tuple[float, float] = (3 / 4, 4 / 3), size: int | None = None
) -> Augment:
    """Returns an augmentation that crops a random box and resizes it, antialiased (Szegedy et al., 2015, section 6).

    Area, aspect and position are random. If ten random boxes do not fit in the image, the largest central crop of an
    allowed aspect is taken, as in torchvision.

    Args:
        scale: smallest and largest area, as fractions of the image's area.
        ratio: smallest and largest width / height.
        size: height and width of the result; None keeps the image's.

    Raises:
        UserError: for a `scale` or `ratio` that is no (low, high) within `SCALES` or `RATIOS`, or a `size` that is no
            whole number from 1 to 1024.
    """
    where = "augmentation random_resized_crop"
    check_pair(f"{where}: scale", scale, SCALES)
    check_pair(f"{where}: ratio", ratio, RATIOS)
    if size is not None:
        check_whole(f"{where}: size", size, PIXELS)

    def augment(draw: Draw, images: Array, labels: Array) -> tuple[Array, Array]:
        height, width = images.shape[1:3]
        box, found = draw_box(draw, images.shape, scale, ratio)
        central = _central(height, width, ratio)
        box = Box(*(jnp.where(found, side, other) for side, other in zip(box, central, strict=True)))
        return crop_and_resize(images, box, *((height, width) if size is None else (size, size))), labels

    return augment


def crop_and_resize(images: Array, box: Box, height: int, width: int) -> Array:
    """Returns the contents of the boxes, resized: (batch, height, width, channels) float32.

    The same as Pillow's `crop` and then `resize`: bilinear, with a wider filter where the result is smaller. Pixels
    outside of the box have no influence.

    Args:
        images: (batch, height, width, channels) float32.
        box: lies within each image.
        height: of the result, in pixels.
        width: of the result, in pixels.
    """
    narrowed = _resample(images, 2, box.left, box.width, width)
    return _resample(lax.optimization_barrier(narrowed), 1, box.top, box.height, height)


def _resample(images: Array, axis: int, start: Array, length: Array, size: int) -> Array:
    """Resizes the interval [start, start + length) of one axis to `size` pixels.

    An output pixel is a weighted mean of a few input pixels ("taps"), as many as the longest interval needs.
    Gathering them was measured to take half the time of a product with a matrix of weights at 32 x 32, and less than a
    tenth at 224 x 224.

    Args:
        images: (batch, height, width, channels) float32.
        axis: 1 for height, 2 for width.
        start: (batch,) float32, in pixels.
        length: (batch,) float32, in pixels.
        size: of the result.
    """
    step = (length / size)[:, None]
    reach = jnp.maximum(step, 1)
    centre = start[:, None] + (np.arange(size, dtype=np.float32) + 0.5)[None, :] * step
    first = jnp.floor(centre - reach + 0.5)
    last = (start + length - 1)[:, None]
    total, weights = jnp.zeros(()), jnp.zeros_like(centre)
    for tap in range(math.ceil(2 * max(1, images.shape[axis] / size))):
        place = first + tap
        weight = jnp.maximum(1 - jnp.abs(place + 0.5 - centre) / reach, 0)
        weight = jnp.where((place >= start[:, None]) & (place <= last), weight, 0)
        total += _along(weight, axis) * _take(images, jnp.clip(place, start[:, None], last), axis)
        weights += weight
    return total / _along(weights, axis)


def _take(images: Array, place: Array, axis: int) -> Array:
    return jnp.take_along_axis(images, _along(place.astype(jnp.int32), axis), axis=axis, mode="promise_in_bounds")


def _along(values: Array, axis: int) -> Array:
    """Returns `values` (batch, size) with the second axis moved to `axis` of an image."""
    return values[:, :, None, None] if axis == 1 else values[:, None, :, None]


def _central(height: int, width: int, ratio: tuple[float, float]) -> tuple[int, int, int, int]:
    """Returns top, left, height and width of the largest central crop of an allowed aspect."""
    high, wide = height, width
    if width / height < ratio[0]:
        high = round(width / ratio[0])
    elif width / height > ratio[1]:
        wide = round(height * ratio[1])
    return (height - high) // 2, (width - wide) // 2, high, wide

"""Random crops that are resized."""

import math

import jax.numpy as jnp
import numpy as np

from jaxcnn.augment.boxes import RATIOS, SCALES, Box, draw_box
from jaxcnn.augment.checks import check_range, check_size
from jaxcnn.augment.draw import Augment, Draw
from jaxcnn.augment.settle import settle
from jaxcnn.types import Array


def random_resized_crop(
    scale: tuple[float, float] = (0.08, 1.0), ratio: tuple[float, float] = (3 / 4, 4 / 3), size: int | None = None
) -> Augment:
    """Returns a crop of random area, aspect and place, resized with antialiasing (Szegedy et al., 2015, section 6).

    The rule is torchvision's: after ten sides that do not fit, the largest central crop of an allowed aspect is taken.

    Args:
        scale: smallest and largest area, as parts of the image's.
        ratio: smallest and largest width / height.
        size: height and width of what comes out; the image's where None.

    Raises:
        UserError: for a `scale` or `ratio` that is no (low, high) in `SCALES` or `RATIOS`, or a `size` that is no
            whole number from 1 to 1024.
    """
    where = "augmentation random_resized_crop"
    check_range(where, "scale", scale, *SCALES)
    check_range(where, "ratio", ratio, *RATIOS)
    if size is not None:
        check_size(where, "size", size)

    def augment(draw: Draw, images: Array, labels: Array) -> tuple[Array, Array]:
        height, width = images.shape[1:3]
        box, found = draw_box(draw, images.shape, scale, ratio)
        central = _central(height, width, ratio)
        box = Box(*(jnp.where(found, side, other) for side, other in zip(box, central, strict=True)))
        return crop_and_resize(images, box, *((height, width) if size is None else (size, size))), labels

    return augment


def crop_and_resize(images: Array, box: Box, height: int, width: int) -> Array:
    """Returns what lies in the boxes, resized: (batch, height, width, channels) float32.

    Bilinear, widened where it makes smaller, and nothing outside of the box is seen: Pillow's `crop` and `resize`.

    Args:
        images: (batch, height, width, channels) float32.
        box: within the image.
        height: in pixels.
        width: in pixels.
    """
    narrowed = _resample(images, 2, box.left, box.width, width)
    return _resample(settle(narrowed), 1, box.top, box.height, height)


def _resample(images: Array, axis: int, start: Array, length: Array, size: int) -> Array:
    """Resizes along one axis the stretch [start, start + length), each (batch,), to `size` pixels.

    An output pixel is a mean of a few neighbours ("taps"), as many as the largest stretch needs. On a CPU, gathering
    them costs half as much as a product with a matrix of weights at 32 x 32, and less than a tenth at 224 x 224.
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
    """Returns (batch, size) with its second axis at `axis` of an image."""
    return values[:, :, None, None] if axis == 1 else values[:, None, :, None]


def _central(height: int, width: int, ratio: tuple[float, float]) -> tuple[int, int, int, int]:
    """Returns top, left, height and width of the largest central crop of an allowed aspect."""
    high, wide = height, width
    if width / height < ratio[0]:
        high = round(width / ratio[0])
    elif width / height > ratio[1]:
        wide = round(height * ratio[1])
    return (height - high) // 2, (width - wide) // 2, high, wide

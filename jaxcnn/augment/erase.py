"""Augmentations that paint over a part of the image."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.augment.boxes import RATIOS, SCALES, Box, draw_box
from jaxcnn.augment.checks import check_numbers, check_pair
from jaxcnn.augment.draw import Augment, Draw, by_example
from jaxcnn.errors import UserError, check_word
from jaxcnn.ops.scramble import scramble
from jaxcnn.ranges import PIXELS, Range, check_number, check_whole
from jaxcnn.types import Array

_FILLS = ("zero", "mean", "random")


def cutout(size: int, fill: str = "mean", *, mean: tuple[float, ...] | None = None) -> Augment:
    """Returns an augmentation that paints over a square in each image (DeVries and Taylor, 2017, section 3).

    The square's centre is equally likely at any pixel, and the square may reach over the border. The paper paints zeros
    after whitening; before whitening that is the data set's mean.

    Args:
        size: of the square's side, in pixels.
        fill: "mean", "zero" (black) or "random" (noise).
        mean: of each channel, where white is 1; in a run it is the training split's.

    Raises:
        UserError: for a `size` that is no whole number from 1 to 1024, another `fill`, or a `mean` outside [0, 1];
            when called, for a `mean` that is missing or has another number of channels.
    """
    where = "augmentation cutout"
    check_whole(f"{where}: size", size, PIXELS)
    _check_paint(where, fill, mean)

    def augment(draw: Draw, images: Array, labels: Array) -> tuple[Array, Array]:
        _, height, width, _ = images.shape
        down, right = draw.uniform(2)
        side = jnp.full_like(down, size)
        box = Box(jnp.floor(down * height) - size // 2, jnp.floor(right * width) - size // 2, side, side)
        return jnp.where(box.inside(images.shape), _paint(where, fill, mean, draw, images), images), labels

    return augment


def random_erasing(
    p: float = 0.5,
    scale: tuple[float, float] = (0.02, 0.4),
    ratio: tuple[float, float] = (0.3, 1 / 0.3),
    fill: str = "random",
    *,
    mean: tuple[float, ...] | None = None,
) -> Augment:
    """Returns an augmentation that paints over a rectangle in an image with probability `p` (Zhong et al., 2017).

    The rectangle lies within the image. The logarithm of its aspect is uniform. If ten random rectangles do not fit,
    the image stays as it is.

    Args:
        p: from 0 to 1.
        scale: smallest and largest area, as fractions of the image's area.
        ratio: smallest and largest width / height.
        fill: "random" (each pixel and channel independent, from 0 to 255), "mean" or "zero" (black).
        mean: of each channel, where white is 1; in a run it is the training split's.

    Raises:
        UserError: for numbers out of range or another `fill`; when called, for a `mean` that is missing or has another
            number of channels.
    """
    where = "augmentation random_erasing"
    check_number(f"{where}: p", p, Range(0, 1))
    check_pair(f"{where}: scale", scale, SCALES)
    check_pair(f"{where}: ratio", ratio, RATIOS)
    _check_paint(where, fill, mean)

    def augment(draw: Draw, images: Array, labels: Array) -> tuple[Array, Array]:
        box, found = draw_box(draw.fold(0), images.shape, scale, ratio)
        erased = found & (draw.uniform(1)[0] < p)
        inside = box.inside(images.shape) & by_example(erased)
        return jnp.where(inside, _paint(where, fill, mean, draw, images), images), labels

    return augment


def _check_paint(where: str, fill: str, mean: tuple[float, ...] | None) -> None:
    check_word(f"fill of {where}", fill, _FILLS)
    if mean is not None:
        check_numbers(f"{where}: mean", mean, (len(mean) if isinstance(mean, tuple | list) else 1,), Range(0, 1))


def _paint(where: str, fill: str, mean: tuple[float, ...] | None, draw: Draw, images: Array) -> Array:
    """Returns the paint, float32 from 0 to 255, which broadcasts against `images`.

    Args:
        where: the augmentation, for messages.
        fill: one of `_FILLS`.
        mean: of each channel, where white is 1.
        draw: random keys of the batch.
        images: (batch, height, width, channels).
    """
    if fill == "random":
        return _noise(draw.fold(1), images.shape)
    if fill == "zero":
        return jnp.zeros((1, 1, 1, 1))
    if mean is None or np.shape(mean) != images.shape[-1:]:
        raise UserError(f"{where}: fill is 'mean': it needs a mean of {images.shape[-1]} numbers, not {mean!r}")
    return 255 * jnp.asarray(mean, jnp.float32)[None, None, None, :]


def _noise(draw: Draw, shape: tuple[int, ...]) -> Array:
    """Returns random whole numbers from 0 to 255, float32.

    They are hashes of a position and of the image's key. Drawing one for each pixel from keys would cost more time than
    all else here.
    """
    place = scramble(jnp.arange(math.prod(shape[1:]), dtype=jnp.uint32)).reshape(1, *shape[1:])
    bits = scramble(place ^ by_example(jax.vmap(jax.random.bits)(draw.key)))
    return (bits >> np.uint32(24)).astype(jnp.float32)

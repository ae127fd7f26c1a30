"""Several looks at each test image, over which predictions are averaged.

Views are pure functions from a batch to a tuple of batches, since sizes may differ: (batch, height, width, channels)
float -> one such array a view, the images in the same order in each. All of them commute with whitening.

Krizhevsky et al. (2012, section 4.1), Simonyan and Zisserman (2015) and Szegedy et al. (2015) average probabilities,
after the softmax; so does `average`. He et al. (2016) average the scores before it, over scales.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import jax
import jax.numpy as jnp

from jaxcnn.augment.calls import read_calls
from jaxcnn.augment.checks import check_size
from jaxcnn.errors import UserError
from jaxcnn.types import Array

Views: TypeAlias = Callable[[Array], tuple[Array, ...]]
MOST_VIEWS = 256
"""Of an image; Szegedy et al. (2015) took 144."""


def center_crop(size: int) -> Views:
    """Returns the square of `size` pixels in the middle; where it cannot be exact, nearer to the top and left.

    Raises:
        UserError: for a `size` that is no whole number from 1 to 1024; when called, for images that are smaller.
    """
    check_size("view center_crop", "size", size)

    def views(images: Array) -> tuple[Array, ...]:
        down, right = _rest("center_crop", images, size)
        return (_crop(images, down // 2, right // 2, size),)

    return views


def ten_crop(size: int) -> Views:
    """Returns the squares in the four corners and the middle, and the five mirrored (Krizhevsky et al., 2012).

    Raises:
        UserError: for a `size` that is no whole number from 1 to 1024; when called, for images that are smaller.
    """
    check_size("view ten_crop", "size", size)

    def views(images: Array) -> tuple[Array, ...]:
        down, right = _rest("ten_crop", images, size)
        corners = [(0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)]
        crops = tuple(_crop(images, *corner, size) for corner in corners)
        return crops + tuple(_mirror(crop) for crop in crops)

    return views


def flip() -> Views:
    """Returns the images and the images mirrored left to right."""
    return lambda images: (images, _mirror(images))


def scales(*sizes: int) -> Views:
    """Returns the images resized so that the shorter side has each of `sizes` pixels: bilinear, with antialiasing.

    Raises:
        UserError: for no sizes, or one that is no whole number from 1 to 1024.
    """
    if not sizes:
        raise UserError("view scales: it needs sizes, as scales(224, 256)")
    for size in sizes:
        check_size("view scales", "size", size)
    return lambda images: tuple(_resize(images, size) for size in sizes)


VIEWS: dict[str, Callable[..., Views]] = {
    "center_crop": center_crop,
    "flip": flip,
    "scales": scales,
    "ten_crop": ten_crop,
}


def compose(*steps: Views) -> Views:
    """Returns what takes the views of every view before; of no steps, the images as they are.

    Raises:
        UserError: when called, for more views than `MOST_VIEWS`.
    """

    def views(images: Array) -> tuple[Array, ...]:
        seen: tuple[Array, ...] = (images,)
        for step in steps:
            seen = tuple(view for batch in seen for view in step(batch))
            if len(seen) > MOST_VIEWS:
                raise UserError(f"{len(seen)} views of each image: there may be {MOST_VIEWS}")
        return seen

    return views


def parse_views(text: str) -> Views:
    """Returns the views that a text such as "flip", "ten_crop(224)" or "scales(224, 256), flip" names; "" names one.

    Raises:
        UserError: for what does not read so, an unknown name, or arguments that are wrong.
    """
    calls = read_calls("view", text, VIEWS, example="scales(224, 256), flip")
    return compose(*(call.make() for call in calls))


def average(logits: Sequence[Array]) -> Array:
    """Returns the logarithm of the mean probability over views, (batch, classes) float32: logits themselves.

    Args:
        logits: (batch, classes) float32, one of each view.
    """
    log_probabilities = jax.nn.log_softmax(jnp.stack(tuple(logits)))
    return jax.nn.logsumexp(log_probabilities, axis=0) - jnp.log(jnp.float32(len(logits)))


def _rest(name: str, images: Array, size: int) -> tuple[int, int]:
    """Returns how many pixels a crop leaves out, down and across."""
    height, width = images.shape[1:3]
    if size > min(height, width):
        raise UserError(
            f"view {name}: size is {size}: the image has {height} x {width}, so at most {min(height, width)}"
        )
    return height - size, width - size


def _crop(images: Array, top: int, left: int, size: int) -> Array:
    return images[:, top : top + size, left : left + size]


def _mirror(images: Array) -> Array:
    return images[:, :, ::-1]


def _resize(images: Array, size: int) -> Array:
    batch, height, width, channels = images.shape
    shorter = min(height, width)
    shape = (batch, round(height * size / shorter), round(width * size / shorter), channels)
    return jax.image.resize(images, shape, "linear", antialias=True)

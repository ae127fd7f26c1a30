"""Several views of each test image, over which predictions are averaged (test-time augmentation).

Views are pure functions from a batch (batch, height, width, channels) float to a tuple of such batches, one a view.
The batches may differ in height and width; examples keep their order. All views commute with whitening.

Krizhevsky et al. (2012, section 4.1), Simonyan and Zisserman (2015) and Szegedy et al. (2015) average probabilities,
after the softmax, and so does `average`. He et al. (2016) average the logits over scales.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from jaxcnn.augment.calls import read_calls
from jaxcnn.errors import UserError
from jaxcnn.ranges import PIXELS, check_whole
from jaxcnn.types import Array, Variables

Views: TypeAlias = Callable[[Array], tuple[Array, ...]]
MOST_VIEWS = 256
"""Most views of an image; Szegedy et al. (2015) used 144."""


def center_crop(size: int) -> Views:
    """Returns one view: the central square of `size` pixels, half a pixel to the top or left if it must be.

    Raises:
        UserError: for a `size` that is no whole number from 1 to 1024; when called, for smaller images.
    """
    check_whole("view center_crop: size", size, PIXELS)

    def views(images: Array) -> tuple[Array, ...]:
        down, right = _rest("center_crop", images, size)
        return (_crop(images, down // 2, right // 2, size),)

    return views


def ten_crop(size: int) -> Views:
    """Returns ten views: the squares in the four corners and the centre, and the five mirrored.

    As Krizhevsky et al. (2012) have it.

    Raises:
        UserError: for a `size` that is no whole number from 1 to 1024; when called, for smaller images.
    """
    check_whole("view ten_crop: size", size, PIXELS)

    def views(images: Array) -> tuple[Array, ...]:
        down, right = _rest("ten_crop", images, size)
        corners = [(0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)]
        crops = tuple(_crop(images, *corner, size) for corner in corners)
        return crops + tuple(_mirror(crop) for crop in crops)

    return views


def flip() -> Views:
    """Returns two views: the images, and the images mirrored left to right."""
    return lambda images: (images, _mirror(images))


def scales(*sizes: int) -> Views:
    """Returns a view for each of `sizes`: the images resized so that the shorter side has that many pixels.

    Resizing is bilinear, with antialiasing.

    Raises:
        UserError: for no sizes, or one that is no whole number from 1 to 1024.
    """
    if not sizes:
        raise UserError("view scales: it needs sizes, as scales(224, 256)")
    for size in sizes:
        check_whole("view scales: size", size, PIXELS)
    return lambda images: tuple(_resize(images, size) for size in sizes)


VIEWS: dict[str, Callable[..., Views]] = {
    "center_crop": center_crop,
    "flip": flip,
    "scales": scales,
    "ten_crop": ten_crop,
}


def compose(*steps: Views) -> Views:
    """Returns the composition: each step takes views of every view before it; of no steps, the identity.

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
    """Returns the views of a text such as "flip", "ten_crop(224)" or "scales(224, 256), flip"; "" is the image alone.

    Raises:
        UserError: for a text that is no list of calls, an unknown name, or wrong arguments.
    """
    calls = read_calls("view", text, VIEWS, example="scales(224, 256), flip")
    return compose(*(call.make() for call in calls))


def average(logits: Sequence[Array]) -> Array:
    """Returns the logarithm of the mean probability over views, (batch, classes) float32. They are logits too.

    Args:
        logits: (batch, classes) float32 for each view.
    """
    log_probabilities = jax.nn.log_softmax(jnp.stack(tuple(logits)))
    return jax.nn.logsumexp(log_probabilities, axis=0) - jnp.log(jnp.float32(len(logits)))


def over_views(apply_fn: Callable[..., Any], views: Views) -> Callable[..., Array]:
    """Returns `apply_fn(variables, image, train)` -> logits of the mean probability over each image's views."""

    def apply(variables: Variables, image: Array, *, train: bool) -> Array:
        logits = [apply_fn(variables, view, train=train) for view in views(image)]
        return average(logits) if len(logits) > 1 else logits[0]

    return apply


def _rest(name: str, images: Array, size: int) -> tuple[int, int]:
    """Returns how many rows and how many columns a crop leaves out."""
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

"""Augmentations that move pixels without changing their values."""

import jax
import jax.numpy as jnp
from jax import lax

from jaxcnn.augment.draw import Augment, Draw, Move, by_example
from jaxcnn.errors import UserError, check_word
from jaxcnn.ranges import PIXELS, Range, check_whole
from jaxcnn.types import Array

_FILLS = {"zero": "constant", "edge": "edge", "reflect": "reflect"}


def shift(pixels: int, fill: str = "zero") -> Augment:
    """Returns an augmentation that moves images by whole pixels, uniform in [-pixels, pixels] along each axis.

    With a `fill` of "zero" this is padding and a random crop (He et al., 2016, section 4.2); configs may also call it
    `pad_and_crop`.

    Args:
        pixels: the furthest move, from 0 to 1024.
        fill: what enters at the border: "zero" (black), "edge" (the border repeated) or "reflect" (the image mirrored
            at its outermost pixels).

    Raises:
        UserError: for another `pixels` or `fill`; when called, for images that are not larger than `pixels`.
    """
    check_whole("augmentation shift: pixels", pixels, Range(0, PIXELS.high))
    check_word("fill of augmentation shift", fill, _FILLS)

    def augment(draw: Draw, images: Array, labels: Array) -> tuple[Array, Array]:
        side = min(images.shape[1:3])
        if pixels >= side:
            raise UserError(f"augmentation shift: pixels is {pixels}: the image has {side}, so at most {side - 1}")
        corner = lax.optimization_barrier(
            jax.vmap(lambda key: jax.random.randint(key, (2,), 0, 2 * pixels + 1))(draw.key)
        )
        padded = jnp.pad(images, ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0)), mode=_FILLS[fill])
        return jax.vmap(_crop, in_axes=(0, 0, None))(padded, corner, images.shape[1:]), labels

    return Move(augment)


def flip() -> Augment:
    """Returns an augmentation that mirrors an image left to right with probability 1/2."""

    def augment(draw: Draw, images: Array, labels: Array) -> tuple[Array, Array]:
        return _mirror(jax.vmap(jax.random.bernoulli)(draw.key), images), labels

    return Move(augment)


def alternating_flip() -> Augment:
    """Returns an augmentation that mirrors an image left to right in every second epoch (Jordan, 2024, section 3.6).

    Whether an example is mirrored in the first epoch is random. In any two consecutive epochs it is seen both ways.
    """

    def augment(draw: Draw, images: Array, labels: Array) -> tuple[Array, Array]:
        first = jax.vmap(jax.random.bernoulli)(draw.fixed)
        return _mirror(first ^ (draw.epoch % 2 == 1), images), labels

    return Move(augment)


def _mirror(mirrored: Array, images: Array) -> Array:
    return jnp.where(by_example(lax.optimization_barrier(mirrored)), images[:, :, ::-1], images)


def _crop(image: Array, corner: Array, shape: tuple[int, ...]) -> Array:
    # Sums of static shifts, or products with one-hot matrices, can take 2 to 15 times as long.
    return lax.dynamic_slice(image, (corner[0], corner[1], jnp.zeros((), corner.dtype)), shape)

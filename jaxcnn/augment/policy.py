"""Policies: augmentations that choose among the fourteen operations, with torchvision's strengths."""

import jax.numpy as jnp
from jax import lax

from jaxcnn.augment.draw import Augment, Draw
from jaxcnn.augment.operations import OPERATIONS, Space, apply, magnitudes
from jaxcnn.ranges import Range, check_number, check_whole
from jaxcnn.types import Array

LEVELS = 30
"""Strengths go from 0 to this number."""
RAND = Space(shear=0.3, translate=150 / 331, relative=True, rotate=30.0, enhance=0.9, bits=4)
WIDE = Space(shear=0.99, translate=32.0, relative=False, rotate=135.0, enhance=0.99, bits=6)


def rand_augment(n: int = 2, m: float = 9, fill: float = 0) -> Augment:
    """Returns an augmentation that applies `n` random operations of strength `m` (RandAugment: Cubuk et al., 2020).

    Args:
        n: number of operations, 1 to 14; each is drawn uniformly.
        m: strength, from 0 to 30.
        fill: value of the pixels that enter at the border, from 0 (black) to 255.

    Raises:
        UserError: for numbers out of range.
    """
    check_whole("augmentation rand_augment: n", n, Range(1, len(OPERATIONS)))
    check_number("augmentation rand_augment: m", m, Range(0, LEVELS))
    check_number("augmentation rand_augment: fill", fill, Range(0, 255))

    def augment(draw: Draw, images: Array, labels: Array) -> tuple[Array, Array]:
        for choice, coin in draw.uniform(2 * n).reshape(n, 2, -1):
            images = _apply(lax.optimization_barrier(images), RAND, choice, coin, jnp.full_like(coin, m / LEVELS), fill)
        return images, labels

    return augment


def trivial_augment(fill: float = 0) -> Augment:
    """Returns an augmentation that applies one random operation, of a strength that is uniform from 0 to 30.

    TrivialAugment in its wide space (Müller and Hutter, 2021).

    Args:
        fill: value of the pixels that enter at the border, from 0 (black) to 255.

    Raises:
        UserError: for another `fill`.
    """
    check_number("augmentation trivial_augment: fill", fill, Range(0, 255))

    def augment(draw: Draw, images: Array, labels: Array) -> tuple[Array, Array]:
        choice, coin, level = draw.uniform(3)
        return _apply(images, WIDE, choice, coin, jnp.floor(level * (LEVELS + 1)) / LEVELS, fill), labels

    return augment


def _apply(images: Array, space: Space, choice: Array, coin: Array, strength: Array, fill: float) -> Array:
    """Applies one random operation to each image.

    Args:
        images: (batch, height, width, channels) float32.
        space: the strongest amounts.
        choice: (batch,) in [0, 1), chooses the operation.
        coin: (batch,) in [0, 1), chooses the sign of the amount.
        strength: (batch,) from 0 to 1.
        fill: value of the pixels that enter at the border.
    """
    number = jnp.floor(choice * len(OPERATIONS)).astype(jnp.int32)
    sign = jnp.where(coin < 0.5, -1.0, 1.0)
    return apply(images, number, magnitudes(space, strength, sign, *images.shape[1:3]), fill)

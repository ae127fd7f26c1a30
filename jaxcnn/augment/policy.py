"""Policies: augmentations that choose among the fourteen operations, with torchvision's strengths."""

import jax.numpy as jnp

from jaxcnn.augment.checks import check_number, check_whole
from jaxcnn.augment.draw import Augment, Draw
from jaxcnn.augment.operations import OPERATIONS, Space, apply, magnitudes
from jaxcnn.augment.settle import settle
from jaxcnn.types import Array

LEVELS = 30
"""Strengths go from 0 to this, which is the strongest."""
RAND = Space(shear=0.3, translate=150 / 331, relative=True, rotate=30.0, enhance=0.9, bits=4)
WIDE = Space(shear=0.99, translate=32.0, relative=False, rotate=135.0, enhance=0.99, bits=6)


def rand_augment(n: int = 2, m: float = 9, fill: float = 0) -> Augment:
    """Returns `n` operations in turn, each equally likely, of strength `m` (RandAugment: Cubuk et al., 2020).

    Args:
        n: number of operations, 1 to 14.
        m: from 0 to 30.
        fill: what comes in at the border, from 0 (black) to 255.

    Raises:
        UserError: for numbers out of range.
    """
    check_whole("augmentation rand_augment", "n", n, 1, len(OPERATIONS))
    check_number("augmentation rand_augment", "m", m, 0, LEVELS)
    check_number("augmentation rand_augment", "fill", fill, 0, 255)

    def augment(draw: Draw, images: Array, labels: Array) -> tuple[Array, Array]:
        for choice, coin in draw.uniform(2 * n).reshape(n, 2, -1):
            images = _apply(settle(images), RAND, choice, coin, jnp.full_like(coin, m / LEVELS), fill)
        return images, labels

    return augment


def trivial_augment(fill: float = 0) -> Augment:
    """Returns one operation, all equally likely, of a strength equally likely from 0 to 30.

    TrivialAugment in its wide space (Müller and Hutter, 2021).

    Args:
        fill: what comes in at the border, from 0 (black) to 255.

    Raises:
        UserError: for another `fill`.
    """
    check_number("augmentation trivial_augment", "fill", fill, 0, 255)

    def augment(draw: Draw, images: Array, labels: Array) -> tuple[Array, Array]:
        choice, coin, level = draw.uniform(3)
        return _apply(images, WIDE, choice, coin, jnp.floor(level * (LEVELS + 1)) / LEVELS, fill), labels

    return augment


def _apply(images: Array, space: Space, choice: Array, coin: Array, strength: Array, fill: float) -> Array:
    """Applies one operation, from uniform (batch,) `choice` and `coin` (for the sign)."""
    number = jnp.floor(choice * len(OPERATIONS)).astype(jnp.int32)
    sign = jnp.where(coin < 0.5, -1.0, 1.0)
    return apply(images, number, magnitudes(space, strength, sign, *images.shape[1:3]), fill)

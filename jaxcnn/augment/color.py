"""Augmentations of colour, and the adjustments that they share with the policies.

Adjustments take images (batch, height, width, channels) float32 on the scale of 0 to 255 and a factor (batch,). A
factor of 1 leaves an image as it is. A factor of 0 gives a black image (brightness), an image of one grey (contrast) or
a grey image (saturation).
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxcnn.augment.checks import check_numbers
from jaxcnn.augment.draw import Augment, Draw, by_example
from jaxcnn.errors import UserError
from jaxcnn.ranges import Range, check_number
from jaxcnn.types import Array

IMAGENET_SPREAD = (0.2175, 0.0188, 0.0045)
"""How far ImageNet's colours spread along each principal axis, where white is 1 (fb.resnet.torch)."""
IMAGENET_AXES = ((-0.5675, -0.5808, -0.5836), (0.7192, -0.0045, -0.6948), (0.4009, -0.814, 0.4203))
"""The principal axes of ImageNet's colours as (red, green, blue) (fb.resnet.torch)."""

_STRONGEST = 10


def gray(images: Array) -> Array:
    """Returns (batch, height, width, 1): ITU-R 601-2 luma. Images without three channels come back as they are."""
    if images.shape[-1] != 3:
        return images
    return 0.2989 * images[..., :1] + 0.587 * images[..., 1:2] + 0.114 * images[..., 2:]


def blend(images: Array, other: Array | float, factor: Array) -> Array:
    """Returns `other + factor * (images - other)`, kept within 0 to 255."""
    return jnp.clip(other + by_example(factor) * (images - other), 0, 255)


def adjust_brightness(images: Array, factor: Array) -> Array:
    """Returns the images blended with black."""
    return blend(images, 0.0, factor)


def adjust_contrast(images: Array, factor: Array) -> Array:
    """Returns the images blended with the mean of their grey values."""
    mean = jnp.mean(jnp.mean(images, axis=1, keepdims=True), axis=2, keepdims=True)  # in two steps: 10 times as fast
    return blend(images, lax.optimization_barrier(gray(mean)), factor)


def adjust_saturation(images: Array, factor: Array) -> Array:
    """Returns the images blended with their grey versions."""
    return blend(images, gray(images), factor)


def adjust_hue(images: Array, turn: Array) -> Array:
    """Returns the images with their HSV hue moved by `turn` (batch,), where 1 is the whole colour circle."""
    red, green, blue = images[..., :1], images[..., 1:2], images[..., 2:]
    high = jnp.maximum(jnp.maximum(red, green), blue)
    chroma = high - jnp.minimum(jnp.minimum(red, green), blue)
    scale = 1 / jnp.where(chroma > 0, chroma, 1)
    of_green_or_blue = jnp.where(green >= blue, 2 + (blue - red) * scale, 4 + (red - green) * scale)
    # Not `high == red`: XLA may compute a colour twice, with different rounding, and then no colour is the highest one.
    hue = jnp.where((red >= green) & (red >= blue), (green - blue) * scale, of_green_or_blue)
    sixths = hue + 6 * by_example(turn) + np.array([5, 3, 1], np.float32)[None, None, None, :]
    sixths -= 6 * jnp.floor(sixths / 6)  # `%` would cost 50 times as much
    return high - chroma * jnp.clip(jnp.minimum(sixths, 4 - sixths), 0, 1)


def color_jitter(brightness: float = 0.0, contrast: float = 0.0, saturation: float = 0.0, hue: float = 0.0) -> Augment:
    """Returns an augmentation that adjusts brightness, contrast, saturation and hue in random order, as torchvision.

    Args:
        brightness: the factor is uniform in [max(0, 1 - brightness), 1 + brightness]; at most 10.
        contrast: likewise.
        saturation: likewise.
        hue: the shift is uniform in [-hue, hue], where 1 is the whole colour circle; at most 0.5.

    Raises:
        UserError: for numbers out of range; when called, for saturation or hue of images without three channels.
    """
    where = "augmentation color_jitter"
    strengths = {"brightness": brightness, "contrast": contrast, "saturation": saturation, "hue": hue}
    for name, strength in strengths.items():
        check_number(f"{where}: {name}", strength, Range(0, 0.5 if name == "hue" else _STRONGEST))
    wanted = [name for name, strength in strengths.items() if strength]
    ranges = np.array([_range(name, strengths[name]) for name in wanted], np.float32).reshape(-1, 2, 1)

    def augment(draw: Draw, images: Array, labels: Array) -> tuple[Array, Array]:
        if {"saturation", "hue"} & set(wanted):
            _check_colored(where, images)
        uniform = draw.uniform(2 * len(wanted)).reshape(2, len(wanted), images.shape[0])
        amounts = jnp.asarray(ranges[:, 0]) + uniform[0] * (ranges[:, 1] - ranges[:, 0])
        for turn in jnp.argsort(uniform[1], axis=0):
            images = _one_of(wanted, turn, lax.optimization_barrier(images), amounts)
        return images, labels

    return augment


def pca_color(
    sigma: float = 0.1,
    spread: tuple[float, float, float] = IMAGENET_SPREAD,
    axes: tuple[tuple[float, float, float], ...] = IMAGENET_AXES,
) -> Augment:
    """Returns an augmentation that shifts all pixels along the principal colour axes (Krizhevsky et al., 2012, 4.1).

    The shift along each axis is normal with a standard deviation of `sigma * spread`. As in the paper, values that
    leave the scale of 0 to 255 are kept.

    Args:
        sigma: from 0 to 10; the paper's is 0.1.
        spread: of the data set's colours along each axis, where white is 1; the paper's eigenvalues.
        axes: one (red, green, blue) of length 1 for each axis.

    Raises:
        UserError: for numbers out of range; when called, for images without three channels.
    """
    where = "augmentation pca_color"
    check_number(f"{where}: sigma", sigma, Range(0, _STRONGEST))
    check_numbers(f"{where}: spread", spread, (3,), Range(0, 1))
    check_numbers(f"{where}: axes", axes, (3, 3), Range(-1, 1))
    shifts = 255 * sigma * np.array(spread, np.float32)[:, None] * np.array(axes, np.float32)

    def augment(draw: Draw, images: Array, labels: Array) -> tuple[Array, Array]:
        _check_colored(where, images)
        shift = jnp.sum(draw.normal(3)[:, :, None] * shifts[:, None, :], axis=0)
        return images + shift[:, None, None, :], labels

    return augment


_ADJUSTMENTS: dict[str, Callable[[Array, Array], Array]] = {
    "brightness": adjust_brightness,
    "contrast": adjust_contrast,
    "saturation": adjust_saturation,
    "hue": adjust_hue,
}


def _one_of(names: list[str], choice: Array, images: Array, amounts: Array) -> Array:
    """Returns each image after the adjustment chosen for it.

    Args:
        names: of the adjustments to choose from.
        choice: (batch,) int32, an index into `names`.
        images: (batch, height, width, channels) float32.
        amounts: (len(names), batch), the factor or shift of each adjustment.
    """
    adjusted = images
    for number, name in enumerate(names):
        chosen = by_example(choice == number)
        adjusted = jnp.where(chosen, _ADJUSTMENTS[name](images, amounts[number]), adjusted)
    return adjusted


def _range(name: str, strength: float) -> tuple[float, float]:
    return (-strength, strength) if name == "hue" else (max(0, 1 - strength), 1 + strength)


def _check_colored(where: str, images: Array) -> None:
    if images.shape[-1] != 3:
        raise UserError(f"{where}: the images have {images.shape[-1]} channels: colours need 3")

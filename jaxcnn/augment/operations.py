"""The fourteen operations that policies choose from (Cubuk et al., 2019, table 6).

A policy chooses one for each image. The five geometric operations differ only in where a pixel comes from, so a single
gather does them all. The others are computed for every image and then selected, which XLA fuses into few passes.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxcnn.augment.color import adjust_brightness, adjust_contrast, adjust_saturation, blend
from jaxcnn.augment.draw import by_example
from jaxcnn.types import Array


class Space(NamedTuple):
    """The strongest that each operation may be."""

    shear: float
    """Pixels across for each pixel down."""
    translate: float
    """In pixels; if `relative`, as a fraction of the image's side."""
    relative: bool
    rotate: float
    """In degrees."""
    enhance: float
    """Largest difference of a blend's factor from 1."""
    bits: int
    """How many of a value's 8 bits posterize removes."""


def magnitudes(space: Space, strength: Array, sign: Array, height: int, width: int) -> dict[str, Array]:
    """Returns the amount that each operation takes, (batch,) float32, by name.

    Args:
        space: the policy's.
        strength: (batch,) from 0 to 1, where 1 is the strongest.
        sign: (batch,) -1 or 1.
        height: of the images, in pixels.
        width: of the images, in pixels.
    """
    signed = strength * sign
    down, across = (height, width) if space.relative else (1, 1)
    return {
        "shear_x": space.shear * signed,
        "shear_y": space.shear * signed,
        "translate_x": jnp.trunc(space.translate * across * signed),
        "translate_y": jnp.trunc(space.translate * down * signed),
        "rotate": np.float32(np.pi / 180) * space.rotate * signed,
        "brightness": 1 + space.enhance * signed,
        "color": 1 + space.enhance * signed,
        "contrast": 1 + space.enhance * signed,
        "sharpness": 1 + space.enhance * signed,
        "posterize": 8 - jnp.round(space.bits * strength),
        "solarize": 255 * (1 - strength),
        "auto_contrast": strength,
        "equalize": strength,
        "identity": strength,
    }


def apply(images: Array, choice: Array, amounts: dict[str, Array], fill: float = 0.0) -> Array:
    """Returns each image after the operation that was chosen for it.

    Args:
        images: (batch, height, width, channels) float32 on the scale of 0 to 255.
        choice: (batch,) int32, an index into `OPERATIONS`.
        amounts: what `magnitudes` returns.
        fill: value of the pixels that enter at the border, from 0 to 255.
    """

    def chosen(name: str) -> Array:
        return choice == OPERATIONS.index(name)

    moves = [jnp.where(chosen(name), amounts[name], 0) for name in GEOMETRIC]
    images = lax.optimization_barrier(_move(images, *moves, fill=fill))
    changed = images
    for name, operation in VALUED.items():
        changed = jnp.where(by_example(chosen(name)), operation(images, amounts[name]), changed)
    return changed


def _move(
    images: Array, shear_x: Array, shear_y: Array, right: Array, down: Array, angle: Array, *, fill: float
) -> Array:
    """Shears, translates or rotates each image, with the nearest pixel, as torchvision does by default.

    At most one of an image's amounts is other than 0. A shear keeps the top left corner, a rotation the centre.

    Args:
        images: (batch, height, width, channels) float32.
        shear_x: (batch,) pixels across for each pixel down.
        shear_y: (batch,) pixels down for each pixel across.
        right: (batch,) pixels.
        down: (batch,) pixels.
        angle: (batch,) radians.
        fill: value of the pixels that enter at the border.
    """
    batch, height, width, channels = images.shape
    cos, sin = jnp.cos(angle)[:, None, None], jnp.sin(angle)[:, None, None]
    y = (np.arange(height, dtype=np.float32) + 0.5)[None, :, None]
    x = (np.arange(width, dtype=np.float32) + 0.5)[None, None, :]
    from_middle_y, from_middle_x = y - height / 2, x - width / 2
    from_x = cos * from_middle_x - sin * from_middle_y + width / 2 + shear_x[:, None, None] * y - right[:, None, None]
    from_y = sin * from_middle_x + cos * from_middle_y + height / 2 + shear_y[:, None, None] * x - down[:, None, None]
    row, column = (jnp.floor(place).astype(jnp.int32) for place in (from_y, from_x))
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    place = jnp.where(inside, row * width + column, 0).reshape(batch, -1, 1)
    moved = jnp.take_along_axis(images.reshape(batch, -1, channels), place, axis=1, mode="promise_in_bounds")
    return jnp.where(inside[..., None], moved.reshape(images.shape), fill)


def _sharpness(images: Array, factor: Array) -> Array:
    """Blends images with themselves smoothed by a 3x3 filter; the outermost pixels stay."""
    rows = images[:, :-2] + images[:, 1:-1] + images[:, 2:]
    box = rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]
    inner = images[:, 1:-1, 1:-1]
    edges = jnp.pad(lax.optimization_barrier(inner - (box + 4 * inner) / 13), ((0, 0), (1, 1), (1, 1), (0, 0)))
    return lax.optimization_barrier(blend(images, images - edges, factor))


def _posterize(images: Array, bits: Array) -> Array:
    step = by_example(jnp.exp2(8 - bits))
    return jnp.floor(images / step) * step


def _solarize(images: Array, threshold: Array) -> Array:
    return jnp.where(images < by_example(threshold), images, 255 - images)


def _auto_contrast(images: Array, _: Array) -> Array:
    low, high = (_extreme(images, of) for of in (jnp.min, jnp.max))
    return jnp.where(high > low, (images - low) * (255 / jnp.maximum(high - low, 1e-3)), images)


def _extreme(images: Array, of: Callable[..., Array]) -> Array:
    """Returns (batch, 1, 1, channels): `of` over height and width. Two steps are 20 times as fast as one."""
    return of(lax.optimization_barrier(of(images, axis=1, keepdims=True)), axis=2, keepdims=True)


def _equalize(images: Array, _: Array) -> Array:
    """Equalizes each channel's histogram, by Pillow's rule for whole numbers."""
    batch, channels = images.shape[0], images.shape[-1]
    value = jnp.clip(images, 0, 255).astype(jnp.int32)
    place = (value + 256 * np.arange(channels, dtype=np.int32)[None, None, None, :]).reshape(batch, -1)
    empty = jnp.zeros(256 * channels, jnp.int32)
    counts = jax.vmap(lambda each: empty.at[each].add(1, mode="promise_in_bounds"))(place)
    table = jax.vmap(_equalizing_table)(counts.reshape(-1, 256)).reshape(batch, -1)
    equal = jnp.take_along_axis(lax.optimization_barrier(table), place, axis=1, mode="promise_in_bounds")
    return lax.optimization_barrier(equal.reshape(images.shape).astype(jnp.float32))


def _equalizing_table(counts: Array) -> Array:
    """Returns (256,) int32: the new value for each old one, from `counts` (256,). An image of one value stays."""
    values = np.arange(256, dtype=np.int32)
    last = counts[jnp.max(jnp.where(counts > 0, values, 0))]
    step = (jnp.sum(counts) - last) // 255
    below = jnp.cumsum(counts) - counts
    return jnp.where(step > 0, jnp.minimum((below + step // 2) // jnp.maximum(step, 1), 255), values)


GEOMETRIC = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate")
VALUED: dict[str, Callable[[Array, Array], Array]] = {
    "brightness": adjust_brightness,
    "color": adjust_saturation,
    "contrast": adjust_contrast,
    "sharpness": _sharpness,
    "posterize": _posterize,
    "solarize": _solarize,
    "auto_contrast": _auto_contrast,
    "equalize": _equalize,
}
OPERATIONS = ("identity", *GEOMETRIC, *VALUED)

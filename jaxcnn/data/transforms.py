"""Geometry on the host: what is cut out of an image, and how it gets its size. Imports no JAX."""

import numpy as np
from PIL import Image


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """Returns images as squares of `size` pixels: bilinear, and antialiased where they shrink (PIL's BILINEAR).

    Args:
        image: (examples, height, width, channels) uint8, 1 or 3 channels.
        size: in pixels.

    Returns:
        (examples, size, size, channels) uint8; `image` itself where it has that size.
    """
    examples, height, width, channels = image.shape
    if height == width == size:
        return image
    resized = np.empty((examples, size, size, channels), np.uint8)
    for old, new in zip(image, resized, strict=True):
        new[...] = to_array(to_pil(old).resize((size, size), Image.Resampling.BILINEAR))
    return resized


def to_pil(image: np.ndarray) -> Image.Image:
    """Returns an image (height, width, 1 or 3) uint8 as PIL holds it."""
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def to_array(image: Image.Image) -> np.ndarray:
    """Returns PIL's grey or RGB image as (height, width, 1 or 3) uint8."""
    array = np.asarray(image)
    return array[..., None] if array.ndim == 2 else array

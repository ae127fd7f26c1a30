"""Converts images between NumPy and Pillow. Imports no JAX."""

import numpy as np
from PIL import Image


def to_pil(image: np.ndarray) -> Image.Image:
    """Returns an image (height, width, 1 or 3) uint8 as a PIL image."""
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def to_array(image: Image.Image) -> np.ndarray:
    """Returns a grey or RGB PIL image as (height, width, 1 or 3) uint8."""
    array = np.asarray(image)
    return array[..., None] if array.ndim == 2 else array

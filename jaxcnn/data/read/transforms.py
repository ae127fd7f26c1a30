"""Images as NumPy has them and as Pillow has them. Imports no JAX."""

import numpy as np
from PIL import Image


def to_pil(image: np.ndarray) -> Image.Image:
    """Returns an image (height, width, 1 or 3) uint8 as PIL holds it."""
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def to_array(image: Image.Image) -> np.ndarray:
    """Returns PIL's grey or RGB image as (height, width, 1 or 3) uint8."""
    array = np.asarray(image)
    return array[..., None] if array.ndim == 2 else array

"""Small photographs to read: smooth, so that JPEG and resizing change little."""

import io
from pathlib import Path

import numpy as np
from PIL import Image


def picture(number: int, height: int = 40, width: int = 56) -> np.ndarray:
    """A smooth image (height, width, 3) uint8 that no other number has."""
    random = np.random.RandomState(number)
    phase, waves = random.uniform(0, 6, 3), random.uniform(1, 4, (2, 3))
    down, across = np.arange(height)[:, None, None] / height, np.arange(width)[None, :, None] / width
    return (128 + 100 * np.sin(phase + waves[0] * down + waves[1] * across)).astype(np.uint8)


def encoded(image: np.ndarray | Image.Image, format: str = "JPEG", **options) -> bytes:
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, format, **options)
    return file.getvalue()


def write_folder(root: Path, counts: dict[str, int]) -> None:
    """Writes `counts` images a class, of different sizes, into classes that have the names ("train/ant", ...)."""
    number = 0
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for _ in range(count):
            number += 1
            image = picture(number, 30 + number % 7, 36 + number % 5)
            (root / name / f"{number:03d}.jpg").write_bytes(encoded(image, quality=95))


def cropped(crop, data, uniform=()) -> np.ndarray:
    """What a crop makes of an image."""
    out = np.zeros((crop.size, crop.size, crop.channels), np.uint8)
    crop(data, uniform, out)
    return out

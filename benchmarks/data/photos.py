"""Makes photographs for measurements: crops of scikit-learn's two, about as large as ImageNet's, always the same."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

COUNT, WIDTH, HEIGHT, QUALITY = 500, 500, 375, 90


def write_photos(folder: Path, count: int = COUNT) -> list[tuple[Path, int]]:
    """Writes JPEGs of different crops and sizes to `folder`/train/CLASS/. Returns their paths and labels."""
    random = np.random.default_rng(0)
    photos = [Image.fromarray(image) for image in load_sample_images().images]
    names = "china", "flower"
    written = []
    for number in range(count):
        label = number % len(photos)
        photo, place = photos[label], folder / "train" / names[label]
        place.mkdir(parents=True, exist_ok=True)
        zoom = random.uniform(0.6, 1)
        width, height = (round(side * zoom) for side in photo.size)
        left, top = random.integers(photo.width - width + 1), random.integers(photo.height - height + 1)
        size = tuple(round(side * random.uniform(0.9, 1.1)) for side in (WIDTH, HEIGHT))
        path = place / f"{number:03d}.jpg"
        part = photo.resize(size, Image.Resampling.BICUBIC, box=(left, top, left + width, top + height))
        part.save(path, quality=QUALITY)
        written.append((path, label))
    return sorted(written)


if __name__ == "__main__":
    write_photos(Path(sys.argv[1]))

"""Accuracy where the object does not sit in the middle: python experiments/padding/shifts.py GRID shifts.csv.

GRID is the folder of the grid of nets. The first 2,000 test images of Fashion-MNIST are moved right, left, down and up
by 0 to 6 pixels; what comes in is black, as their background is, and what leaves is lost. Accuracies are the mean of
the four directions, and then mean and sample deviation over seeds.
"""

import csv
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import tensorflow_datasets as tfds

import jaxcnn

IMAGES = 2_000
SHIFTS = range(7)
DIRECTIONS = ((0, 1), (0, -1), (1, 0), (-1, 0))


def moved(images: np.ndarray, down: int, right: int) -> np.ndarray:
    """Returns images (n, height, width, channels) moved by so many pixels, black where nothing is."""
    size = images.shape[1]
    far = max(abs(down), abs(right))
    around = np.pad(images, ((0, 0), (far, far), (far, far), (0, 0)))
    return around[:, far - down : far - down + size, far - right : far - right + size]


def main(grid: Path, output: Path) -> None:
    """Measures every finished run of a grid, and writes a row for each border and distance."""
    source = tfds.data_source("fashion_mnist", split="test")
    examples = [source[number] for number in range(IMAGES)]
    images = np.stack([np.asarray(example["image"]) for example in examples])
    labels = np.array([int(example["label"]) for example in examples])
    forwards: dict[str, Callable[..., jax.Array]] = {}
    scores = defaultdict(list)
    for folder in sorted(path.parent for path in grid.glob("*/seed*/run.json")):
        run = jaxcnn.load_run(folder, step="latest")
        border = run.config.model.fields.border
        forward = forwards.setdefault(
            border, jax.jit(lambda variables, image, apply=run.model.apply: apply(variables, image))
        )
        for shift in SHIFTS:
            found = [
                forward(run.variables, run.preparation.whitened(moved(images, shift * down, shift * right)))
                for down, right in DIRECTIONS[: 4 if shift else 1]
            ]
            right_ones = [np.mean(np.asarray(logits).argmax(-1) == labels) for logits in found]
            scores[border, shift].append(100 * float(np.mean(right_ones)))
    with output.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["case", "border", "shift", "accuracy", "deviation", "n"])
        for (border, shift), shares in scores.items():
            deviation = statistics.stdev(shares) if len(shares) > 1 else 0.0
            mean = statistics.mean(shares)
            writer.writerow([f"{border} {shift}", border, shift, f"{mean:.2f}", f"{deviation:.2f}", len(shares)])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

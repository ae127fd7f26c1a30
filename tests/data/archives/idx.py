"""Ways in which an idx file can be spoilt."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.data.archives import idx_bytes

Spoil = Callable[[Path, np.ndarray], object]


def replace(path: Path, content: bytes) -> None:
    """Writes a packed file."""
    path.write_bytes(gzip.compress(content))


def spoil_idx() -> list[tuple[Spoil, str]]:
    """Pairs of what is done to the file of 40 images, and what is said of it."""
    return [
        (lambda path, image: path.unlink(), "does not hold train-images-idx3-ubyte.gz, which mnist is made from"),
        (
            lambda path, image: path.write_bytes(path.read_bytes()[:-50]),
            "train-images-idx3-ubyte.gz is damaged or cut short",
        ),
        (
            lambda path, image: path.write_bytes(b"<html>not found</html>"),
            "train-images-idx3-ubyte.gz is no idx file of bytes: it begins with 3c 68 74 6d",
        ),
        (
            lambda path, image: replace(path, idx_bytes(image)[:-1]),
            "is cut short or too long: 31,359 bytes of 40 x 28 x 28",
        ),
        (
            lambda path, image: replace(path, b"\x00\x00\x0d\x03" + idx_bytes(image)[4:]),
            "is no idx file of bytes: it begins with 00 00 0d 03",
        ),
        (
            lambda path, image: replace(path, idx_bytes(image[1:])),
            "train-labels-idx1-ubyte.gz holds 40 labels for 39 images",
        ),
        (
            lambda path, image: replace(path, idx_bytes(image[:, 1:])),
            "holds 40 x 27 x 28 bytes where 28 x 28 are an image",
        ),
        (lambda path, image: replace(path, b""), "is no idx file of bytes: it begins with nothing"),
    ]

"""Writes the filters that whiten 2x2 patches of CIFAR-10: python experiments/speedrun/whitening.py whitening.csv.

They are the eigenvectors of the covariance of all patches of the first 5,000 training images, divided by the root of
their eigenvalue (Jordan, 2024, arXiv:2404.00498, section 3.2), for images that are whitened as `MEAN` and `STD` say.
"""

import sys

import numpy as np
import tensorflow_datasets as tfds

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)
IMAGES, SIDE = 5_000, 2
ADDED = 5e-4
"""To each eigenvalue, so that no noise is made large."""


def filters() -> np.ndarray:
    """Returns them, (12, 12): a row is a filter, 2 x 2 x 3 values."""
    source = tfds.data_source("cifar10", split="train")
    images = np.stack([np.asarray(source[number]["image"]) for number in range(IMAGES)])
    white = (images / 255 - MEAN) / STD
    patches = np.lib.stride_tricks.sliding_window_view(white, (SIDE, SIDE), axis=(1, 2))  # (n, 31, 31, 3, 2, 2)
    rows = patches.transpose(0, 1, 2, 4, 5, 3).reshape(-1, SIDE * SIDE * 3)
    values, vectors = np.linalg.eigh(rows.T @ rows / len(rows))
    return (vectors / np.sqrt(values + ADDED)).T[::-1]


if __name__ == "__main__":
    np.savetxt(sys.argv[1], filters(), delimiter=",", fmt="%.6g")

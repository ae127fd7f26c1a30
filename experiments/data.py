"""Parts of CIFAR-10 and Fashion-MNIST as data sets, for experiments with few images.

`--config.data.name=experiments.data:cifar10_2000` trains on 2,000 images; run it from the repository's root, once
`jaxcnn prepare` has been run for the data set. The test split is the last 5,000 of the official training images, which
no run trains on, and the validation split the 1,000 before.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

TEST = 5_000
VALIDATION = 1_000


def cifar10_2000() -> dict[str, Any]:
    """Returns 2,000 training images of CIFAR-10, with validation and test split."""
    return _part("cifar10", 2_000)


def cifar10_10000() -> dict[str, Any]:
    """Returns 10,000 training images of CIFAR-10, with validation and test split."""
    return _part("cifar10", 10_000)


def cifar10_44000() -> dict[str, Any]:
    """Returns all training images of CIFAR-10 that are in neither of the other splits."""
    return _part("cifar10", 44_000)


def fashion_mnist_2000() -> dict[str, Any]:
    """Returns 2,000 training images of Fashion-MNIST, with validation and test split."""
    return _part("fashion_mnist", 2_000)


def _part(name: str, images: int) -> dict[str, Any]:
    """Returns the first images of the training split of tensorflow-datasets, which mixes classes."""
    source = tfds.data_source(name, split="train")
    first = len(source) - TEST
    return {
        "train": _read(source, range(images)),
        "val": _read(source, range(first - VALIDATION, first)),
        "test": _read(source, range(first, len(source))),
        "class_names": source.dataset_info.features["label"].names,
    }


def _read(source: Sequence[Any], numbers: range) -> tuple[np.ndarray, np.ndarray]:
    examples = [source[number] for number in numbers]
    images = np.stack([np.asarray(example["image"]) for example in examples])
    return images, np.array([int(example["label"]) for example in examples])

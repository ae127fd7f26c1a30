"""Parts of CIFAR-10 as data sets, for experiments with few images and for tests with more than the official one.

`--config.data.name=experiments.data:cifar10_2000` trains on 2,000 images; run it from the repository's root, once
`jaxcnn prepare cifar10` has been run. The test split is the last 5,000 of the 50,000 training images, which no run
trains on, and the validation split the 1,000 before.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

TRAINING = 50_000
"""Images of the official training split, in the order of tensorflow-datasets, which mixes classes."""
TEST = 5_000
VALIDATION = 1_000


def cifar10_2000() -> dict[str, Any]:
    """Returns 2,000 training images of CIFAR-10, with validation and test split."""
    return _part(2_000)


def cifar10_10000() -> dict[str, Any]:
    """Returns 10,000 training images of CIFAR-10, with validation and test split."""
    return _part(10_000)


def cifar10_44000() -> dict[str, Any]:
    """Returns all training images of CIFAR-10 that are in neither of the other splits."""
    return _part(TRAINING - TEST - VALIDATION)


def _part(images: int) -> dict[str, Any]:
    source = tfds.data_source("cifar10", split="train")
    first = TRAINING - TEST
    return {
        "train": _read(source, range(images)),
        "val": _read(source, range(first - VALIDATION, first)),
        "test": _read(source, range(first, TRAINING)),
        "class_names": source.dataset_info.features["label"].names,
    }


def _read(source: Sequence[Any], numbers: range) -> tuple[np.ndarray, np.ndarray]:
    examples = [source[number] for number in numbers]
    images = np.stack([np.asarray(example["image"]) for example in examples])
    return images, np.array([int(example["label"]) for example in examples])

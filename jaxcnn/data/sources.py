"""Reading a data set into memory: its training, validation and test splits, their statistics and their fingerprint."""

import hashlib
import os
from collections.abc import Mapping

import numpy as np

from jaxcnn.data.catalog import DatasetInfo, dataset_info
from jaxcnn.data.split import Split, cut, validation_count
from jaxcnn.data.store import read_prepared
from jaxcnn.data.transforms import resize
from jaxcnn.errors import UserError


def load_splits(
    name: str,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    image_size: int | None = None,
    validation: float | None = None,
    seed: int = 0,
) -> dict[str, Split]:
    """Returns the splits "train", "val" and "test" of a data set.

    Validation examples are cut from the training split, every class alike; the test split is the official one.

    Args:
        name: of the data set.
        data_dir: the folder of all prepared data sets; None: $TFDS_DATA_DIR, else ~/tensorflow_datasets.
        image_size: side in pixels that images are resized to; None: as the catalog says.
        validation: how much of the training split to set apart, a fraction below 1 or else a number of examples; None:
            as the catalog says.
        seed: chooses the validation examples, except where the catalog fixes them and `validation` is None.

    Raises:
        UserError: for a data set that is unknown, not prepared or damaged, or a setting that makes no sense.
    """
    info = dataset_info(name)
    size = info.image_size if image_size is None else image_size
    if size < 1:
        raise UserError(f"image_size is {size}: it must be at least 1 pixel")
    count = validation_count(info.validation if validation is None else validation, info.examples["train"])
    official = _read(info, data_dir)
    fixed = info.fixed_validation and validation is None
    train, val = cut(official["train"], count, seed=None if fixed else seed)
    splits = {"train": train, "val": val, "test": official["test"]}
    return {split: Split(resize(image, size), label) for split, (image, label) in splits.items()}


def channel_statistics(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and standard deviation of every channel, on the scale where white is 1.

    They are exact, from counts of the 256 levels. Meant for the examples that are trained on, after the validation cut.
    A channel that never varies gets the deviation 1, which whitens it to 0.

    Args:
        image: (examples, height, width, channels) uint8.

    Returns:
        Two arrays (channels,) float32.
    """
    channels = range(image.shape[-1])
    share = np.stack([np.bincount(image[..., c].ravel(), minlength=256) for c in channels]) / image[..., 0].size
    level = np.arange(256) / 255
    mean = share @ level
    variance = (share * (level - mean[:, None]) ** 2).sum(axis=1)
    std = np.sqrt(np.where(variance > 0, variance, 1))
    return mean.astype(np.float32), std.astype(np.float32)


def fingerprint(splits: Mapping[str, Split]) -> str:
    """Returns 16 hexadecimal digits (SHA-256) that change with any image, label, their order or the cut."""
    digest = hashlib.sha256()
    for name in sorted(splits):
        for array in splits[name]:
            digest.update(f"{name} {array.shape} {array.dtype}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]


def _read(info: DatasetInfo, data_dir: str | os.PathLike[str] | None) -> dict[str, Split]:
    if info.archive is None:
        return _read_digits(info)
    return {split: read_prepared(info, split, data_dir) for split in info.examples}


def _read_digits(info: DatasetInfo) -> dict[str, Split]:
    """Returns scikit-learn's digits with our own test split: equally spaced examples of each digit, fixed for good.

    The 17 grey levels become 0 to 255, rounded; neighbours in the file are by the same writers, who so appear in every
    split.
    """
    from sklearn.datasets import load_digits  # imported on use: it takes a second

    digits = load_digits()
    image = (digits.images.astype(np.int32) * 255 + 8) // 16
    everything = Split(image.astype(np.uint8)[..., None], digits.target.astype(np.int32))
    train, test = cut(everything, info.examples["test"], seed=None)
    return {"train": train, "test": test}

"""Measures data: channel statistics and fingerprints."""

import hashlib
from collections.abc import Callable, Mapping

import numpy as np

from jaxcnn.data.read.ahead import fetched
from jaxcnn.data.read.crops import ToSquare
from jaxcnn.data.read.decode import Encoded, Photograph, UnreadableError
from jaxcnn.data.read.hold import hold
from jaxcnn.data.read.records import Source, Subset
from jaxcnn.data.read.split import Split

SAMPLE = 1000
"""Number of equally spaced images that represent a split which is too large to be read."""


def channel_statistics(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and standard deviation of each channel, where white is 1.

    They are exact, from counts of the 256 levels. Use training examples only, without the validation split. A constant
    channel gets the deviation 1, so that whitening makes it 0.

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


def sampled_statistics(source: Source, crop: ToSquare, *, skip: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Returns `channel_statistics` of `SAMPLE` equally spaced examples; `skip` leaves out unreadable ones."""
    return channel_statistics(hold(Subset(source, spaced(len(source.labels))), crop, skip=skip).split.image)


def fingerprint(splits: Mapping[str, Split]) -> str:
    """Returns 16 hexadecimal digits (SHA-256) that change with any image, any label, their order, and the splits."""
    digest = hashlib.sha256()
    for name in sorted(splits):
        for array in splits[name]:
            digest.update(f"{name} {array.shape} {array.dtype}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]


def source_fingerprint(sources: Mapping[str, Source]) -> str:
    """Returns 16 hexadecimal digits that change with any label, their order, the splits, and sampled image files.

    The files are those of `SAMPLE` equally spaced examples of each split.
    """
    digest = hashlib.sha256()
    for name in sorted(sources):
        labels = sources[name].labels
        digest.update(f"{name} {labels.shape}".encode())
        digest.update(labels.tobytes())
        for example in fetched(sources[name], spaced(len(labels)).tolist()):
            digest.update(_content(example))
    return digest.hexdigest()[:16]


def _content(example: Callable[[], Encoded]) -> bytes:
    try:
        data = example()
    except UnreadableError:
        return b"unreadable"
    if isinstance(data, Photograph):
        return data.content
    return data if isinstance(data, bytes) else f"{data.shape}".encode() + data.tobytes()


def spaced(size: int, most: int = SAMPLE) -> np.ndarray:
    """Returns at most `most` equally spaced numbers below `size`."""
    count = min(size, most)
    return (2 * np.arange(count) + 1) * size // (2 * count)

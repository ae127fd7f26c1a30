"""Random access to the examples of a split, as they are stored: bytes of an image file, or pixels. Imports no JAX.

Sources are handed to the processes that decode, so they are cheap to pickle: they say where things lie. Arrays are the
exception; they are best read by threads of the one process that has them.
"""

import dataclasses
import functools
from typing import Any, Protocol

import numpy as np

from jaxcnn.data.decode import Encoded, UnreadableError
from jaxcnn.errors import UserError


class Source(Protocol):
    """The examples of a split, in a fixed order."""

    @property
    def labels(self) -> np.ndarray:
        """(examples,) int32."""

    def __getitem__(self, index: int) -> Encoded:
        """Returns an image; raises `UnreadableError` where it cannot even be read."""

    def name(self, index: int) -> str:
        """Returns what a message calls an example."""


@dataclasses.dataclass(frozen=True, eq=False)
class ArraySource:
    """Images in memory."""

    images: np.ndarray
    """(examples, height, width, 1 or 3) uint8."""
    labels: np.ndarray
    """(examples,) int32."""

    def __getitem__(self, index: int) -> np.ndarray:
        return self.images[index]

    def name(self, index: int) -> str:
        """Returns the number of an example."""
        return f"image {index}"


@dataclasses.dataclass(frozen=True, eq=False)
class PairSource:
    """Anything whose items are (image, label)."""

    pairs: Any
    labels: np.ndarray
    """(examples,) int32."""

    def __getitem__(self, index: int) -> Encoded:
        image = self.pairs[int(index)][0]
        if isinstance(image, bytes):
            return image
        array = np.asarray(image)
        if array.dtype != np.uint8 or array.ndim not in (2, 3) or array.shape[2:] not in ((), (1,), (3,)):
            raise UnreadableError(f"{array.dtype} {array.shape}, not bytes of a file or uint8 (height, width, 1 or 3)")
        return array.reshape(*array.shape[:2], -1)

    def name(self, index: int) -> str:
        """Returns the number of an example."""
        return f"image {index}"


@dataclasses.dataclass(frozen=True, eq=False)
class Subset:
    """Some of the examples of a source, in an order of their own; nothing is copied but their labels."""

    source: Source
    index: np.ndarray
    """(examples,) int: of an example here -> its number in `source`."""

    @functools.cached_property
    def labels(self) -> np.ndarray:
        """(examples,) int32."""
        return self.source.labels[self.index]

    def __getitem__(self, index: int) -> Encoded:
        return self.source[self.index[index]]

    def name(self, index: int) -> str:
        """Returns what the source calls an example."""
        return self.source.name(self.index[index])


def check_labels(where: str, source: Source, num_classes: int) -> None:
    """Raises `UserError` for a split without examples, or the first label that is not from 0 to `num_classes` - 1."""
    labels = source.labels
    if not len(labels):
        raise UserError(f"{where} holds no examples")
    wrong = np.flatnonzero((labels < 0) | (labels >= num_classes))
    if len(wrong):
        name, label = source.name(wrong[0]), labels[wrong[0]]
        raise UserError(f"{where}: the label of {name} is {label}: labels are 0 to {num_classes - 1}")


def make_source(where: str, data: Any) -> Source:
    """Returns the source for what research code has.

    Args:
        where: what a message calls it.
        data: a pair (images, labels), (examples, height, width[, 1 or 3]) uint8 and (examples,) int; or anything with a
            length and [i] -> (image, label), an image being bytes of a file or uint8 (height, width[, 1 or 3]). Its
            labels are read from `data.labels` where that exists, else from every item, once.

    Raises:
        UserError: for anything else, in one line.
    """
    if isinstance(data, tuple | list) and len(data) == 2 and hasattr(data[1], "__len__"):
        return _array_source(where, *map(np.asarray, data))
    if not hasattr(data, "__len__") or not hasattr(data, "__getitem__"):
        raise UserError(f"{where} must be (images, labels), or have a length and [i] -> (image, label)")
    labels = getattr(data, "labels", None)
    labels = np.asarray([data[index][1] for index in range(len(data))] if labels is None else labels)
    return PairSource(data, _integers(where, labels, len(data)))


def _array_source(where: str, images: np.ndarray, labels: np.ndarray) -> ArraySource:
    images = images[..., None] if images.ndim == 3 else images
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3):
        found = f"{images.dtype} {images.shape}"
        raise UserError(f"{where}: images are {found}: they must be uint8 (examples, height, width, 1 or 3), 0 to 255")
    return ArraySource(images, _integers(where, labels, len(images)))


def _integers(where: str, labels: np.ndarray, examples: int) -> np.ndarray:
    if labels.shape != (examples,) or not np.issubdtype(labels.dtype, np.integer):
        found = f"{labels.dtype} {labels.shape}"
        raise UserError(f"{where}: labels are {found} for {examples} images: they must be one whole number each")
    return labels.astype(np.int32)

"""Random access to the examples of a split as they are stored: image files or pixels. Imports no JAX.

Sources are pickled for the processes that decode. They are therefore small: they contain paths, not images. Arrays in
memory are the exception, and are best read by threads of their own process.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, Protocol

import numpy as np

from jaxcnn.data.read.decode import Encoded, UnreadableError, decode
from jaxcnn.data.read.labels import HINTS, as_whole
from jaxcnn.errors import UserError

Shape = tuple[int, int, int]
"""(height, width, channels)."""
_PROBED = 100
"""Most examples that are tried to find the shape of the images."""


class Source(Protocol):
    """The examples of a split, in a fixed order."""

    @property
    def labels(self) -> np.ndarray:
        """(examples,) int32."""

    def __getitem__(self, index: int) -> Encoded:
        """Returns an image; raises `UnreadableError` if it cannot be read."""

    def name(self, index: int) -> str:
        """Returns the name of an example, for messages."""


@dataclasses.dataclass(frozen=True, eq=False)
class ArraySource:
    """Images in memory."""

    images: np.ndarray
    """(examples, height, width, 1 or 3) uint8."""
    labels: np.ndarray
    """(examples,) int32."""

    @property
    def shape(self) -> Shape:
        """Of every image."""
        return self.images.shape[1:]

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

    @functools.cached_property
    def shape(self) -> Shape | None:
        """Of the first readable image; files count as colour. None if the first hundred are unreadable."""
        for index in range(min(len(self.labels), _PROBED)):
            try:
                image = _image(self.pairs, index)
                return image.shape if isinstance(image, np.ndarray) else (*decode(image, 3).size[::-1], 3)
            except UnreadableError:
                continue
        return None

    def __getitem__(self, index: int) -> Encoded:
        image = _image(self.pairs, int(index))
        if isinstance(image, np.ndarray) and self.shape and image.shape[-1] > self.shape[-1]:
            raise UnreadableError("it is in colour, where the first image is grey")
        return image

    def name(self, index: int) -> str:
        """Returns the number of an example."""
        return f"image {index}"


def _image(pairs: Any, index: int) -> Encoded:
    """Returns the image of an item, as bytes of a file or (height, width, 1 or 3) uint8."""
    image = pairs[index][0]
    if isinstance(image, bytes):
        return image
    array = np.asarray(image)
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or array.shape[2:] not in ((), (1,), (3,)) or not array.size:
        raise UnreadableError(f"{array.dtype} {array.shape}, not bytes of a file or uint8 (height, width, 1 or 3)")
    return array.reshape(*array.shape[:2], -1)


@dataclasses.dataclass(frozen=True, eq=False)
class Subset:
    """Some examples of a source, in another order. Only labels are copied."""

    source: Source
    index: np.ndarray
    """(examples,) int, the index of each example in `source`."""

    @functools.cached_property
    def labels(self) -> np.ndarray:
        """(examples,) int32."""
        return self.source.labels[self.index]

    @property
    def at_once(self) -> int:
        """Best number of concurrent reads."""
        return getattr(self.source, "at_once", 1)

    def __getitem__(self, index: int) -> Encoded:
        return self.source[self.index[index]]

    def name(self, index: int) -> str:
        """Returns the source's name of an example."""
        return self.source.name(self.index[index])


def mixing_order(examples: int) -> np.ndarray:
    """Returns the indices of so many examples in an order that mixes them, always the same: (examples,) int32.

    Images of a folder lie together by class. What is normalised by the statistics of a batch must not see one class.
    """
    return np.random.RandomState(0).permutation(examples).astype(np.int32)


def check_labels(where: str, source: Source, num_classes: int) -> None:
    """Raises `UserError` for a split without examples, or the first label that is not from 0 to `num_classes` - 1."""
    labels = source.labels
    if not len(labels):
        raise UserError(f"{where} holds no examples")
    wrong = np.flatnonzero((labels < 0) | (labels >= num_classes))
    if len(wrong):
        name, label = source.name(wrong[0]), labels[wrong[0]]
        raise UserError(f"{where}: the label of {name} is {label}: labels are 0 to {num_classes - 1}")


def check_two_classes(where: str, source: Source, class_names: Sequence[str]) -> None:
    """Raises `UserError` if all training examples have the same label, since there is nothing to learn."""
    label = source.labels[0]
    if (source.labels == label).all():
        name = class_names[label]
        which = f"{label}" if name == str(label) else f"{label} ({name})"
        raise UserError(f"{where}: every training example has the label {which}: a net needs two classes to tell apart")


def make_source(where: str, data: Any) -> ArraySource | PairSource:
    """Returns a source for arrays or a user's own random-access source.

    Args:
        where: its name, for messages.
        data: a pair (images, labels), (examples, height, width[, 1 or 3]) uint8 and (examples,) int; or anything with a
            length and [i] -> (image, label), where an image is the bytes of a file or uint8 (height, width[, 1 or 3]),
            of any size. Labels are read from `data.labels` if it exists, else once from every item.

    Raises:
        UserError: for anything else, in one line.
    """
    if _are_arrays(data):
        return _array_source(where, *data)
    if isinstance(data, Mapping) or not hasattr(data, "__len__") or not hasattr(data, "__getitem__"):
        raise UserError(f"{where} must be (images, labels), or have a length and [i] -> (image, label)")
    labels, examples = getattr(data, "labels", None), range(len(data))
    for index in examples[:1]:
        _label(where, data, index)
    labels = [_label(where, data, index) for index in examples] if labels is None else labels
    return PairSource(data, _one_each(where, labels, len(data)))


def _are_arrays(data: Any) -> bool:
    """Returns whether data is (images, labels), and not two examples (image, label)."""
    if not isinstance(data, tuple | list) or len(data) != 2 or not hasattr(data[1], "__len__"):
        return False
    return not all(isinstance(item, tuple | list) and len(item) == 2 and _is_label(item) for item in data)


def _is_label(item: tuple[Any, Any] | list[Any]) -> bool:
    image, label = item
    return not isinstance(image, Real) and (isinstance(label, Real) or getattr(label, "ndim", None) == 0)


def _label(where: str, data: Any, index: int) -> Any:
    try:
        item = data[index]
    except (LookupError, TypeError) as error:
        reason = " ".join(f"{type(error).__name__} {error}".split())
        raise UserError(f"{where}[{index}] cannot be read ({reason}): it must be (image, label)") from None
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise UserError(f"{where}[{index}] is of type {type(item).__name__}: it must be (image, label)")
    return item[1]


def _array_source(where: str, images: Any, labels: Any) -> ArraySource:
    try:
        images = np.asarray(images)
    except ValueError:
        raise UserError(f"{where}: images differ in shape: make them alike, or give (image, label)s") from None
    images = images[..., None] if images.ndim == 3 else images
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3) or 0 in images.shape[1:]:
        found = f"{images.dtype} {images.shape}"
        raise UserError(f"{where}: images are {found}: they must be uint8 (examples, height, width, 1 or 3), 0 to 255")
    return ArraySource(images, _one_each(where, labels, len(images)))


def _one_each(where: str, labels: Any, examples: int) -> np.ndarray:
    labels = as_whole(where, labels, HINTS)
    if labels.shape == (examples,):
        return labels
    rows = labels.ndim == 2 and len(labels) == examples
    way = f", as labels.{'argmax(1)' if labels.shape[1] > 1 else 'reshape(-1)'} makes them" if rows else ""
    found = f"{labels.shape} for {examples} images"
    raise UserError(f"{where}: labels are {found}: they must be one whole number each{way}")

"""Data of a user's own that make their own batches: the run asks for them by number, and decides nothing about them."""

import dataclasses
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import jax
import numpy as np

from jaxcnn.data.feed.pipeline import Feed, Recipe
from jaxcnn.errors import UserError
from jaxcnn.types import Array, Batch

BATCHES = "batches"
"""The name of data that make their own batches."""
HostBatch: TypeAlias = Mapping[str, Any]
"""`image` (examples, height, width, channels) float, and `label` (examples, ...), as the loss has it.

Images of any float dtype become float32, labels int32 or float32.
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Batches:
    """Data that make their own batches, of what the net is given: nothing is augmented or whitened here.

    Their order is their own: a run goes on to the same bits where `train` is a function of the step alone. Of several
    processes each makes whole batches, all of them the same, and trains on its part.
    """

    train: Callable[[int], HostBatch]
    """Step, from 0 -> the batch of `config.batch_size` examples that it is trained on."""
    val: Iterable[HostBatch]
    """The validation split in batches of any size: a list, or what can be gone through again and again."""
    test: Iterable[HostBatch] | None = None
    """The test split likewise; None: the validation split."""
    examples: Mapping[str, int]
    """How many there are by split: an epoch has `examples["train"]`, and all of the others are counted."""
    class_names: Sequence[str]
    """By label; or of the outputs, where an example has several labels."""

    def __post_init__(self) -> None:
        missing = {"train", "val", *(["test"] if self.test is not None else [])} - set(self.examples)
        if missing:
            raise UserError(f"Batches: examples has no {', '.join(sorted(missing))}: it says how many each split has")
        if not callable(self.train):
            raise UserError("Batches: train must be a function of the step that returns a batch")

    partial = None

    @property
    def name(self) -> str:
        """What messages call it."""
        return BATCHES

    @property
    def sizes(self) -> dict[str, int]:
        """Examples by split."""
        sizes = {split: int(count) for split, count in self.examples.items()}
        return {"test": sizes["val"], **sizes}

    @property
    def sources(self) -> Mapping[str, Any]:
        """Raises `UserError`: there is no example by number."""
        raise UserError("the data make their own batches: there are no single images to look at")

    def split(self, name: str) -> Iterable[HostBatch]:
        """Returns the batches of "val" or "test"."""
        return self.val if name == "val" or self.test is None else self.test

    def first(self, batch_size: int) -> dict[str, np.ndarray]:
        """Returns the batch of step 0, checked; raises `UserError` for what is none, in one line."""
        return read_batch("train(0)", self.train(0), batch_size)


def read_batch(where: str, batch: Any, examples: int | None = None) -> dict[str, np.ndarray]:
    """Returns `image` and `label` of a batch as arrays.

    Args:
        where: what a message calls it.
        batch: of a user's own.
        examples: how many it must have; None: any number.

    Raises:
        UserError: for anything that is no such batch, in one line.
    """
    if not isinstance(batch, Mapping) or not {"image", "label"} <= batch.keys():
        found = list(batch) if isinstance(batch, Mapping) else type(batch).__name__
        raise UserError(f"Batches: {where} is {found}: it must be a dict of image and label")
    if extra := sorted(set(batch) - {"image", "label"}):
        raise UserError(f"Batches: {where} has {extra[0]}, which no step looks at: a batch is image and label")
    image, label = (np.asarray(batch[key]) for key in ("image", "label"))
    if image.ndim != 4 or not np.issubdtype(image.dtype, np.floating):
        raise UserError(
            f"Batches: the image of {where} is {image.dtype} {image.shape}: it must be float (examples, height, width, "
            "channels), as the net is given it"
        )
    if image.shape[0] != (examples or image.shape[0]) or label.shape[:1] != image.shape[:1]:
        wanted = f"batch_size is {examples}" if examples else "they must be as many"
        raise UserError(f"Batches: {where} has {len(image)} images and labels of {label.shape}: {wanted}")
    return {"image": image.astype(np.float32), "label": _narrow(where, label)}


def _narrow(where: str, label: np.ndarray) -> np.ndarray:
    """Returns labels as jax has them: int32, or float32."""
    if np.issubdtype(label.dtype, np.integer) or label.dtype == np.bool_:
        return label.astype(np.int32)
    if np.issubdtype(label.dtype, np.floating):
        return label.astype(np.float32)
    raise UserError(f"Batches: the label of {where} is {label.dtype}: it must be numbers")


class GivenPipeline:
    """The pipeline of `Batches`: what they give, on the devices, split over the batch."""

    def __init__(self, data: Batches, batch_size: int, put: Callable[[Feed], Feed] = jax.device_put) -> None:
        """Makes a pipeline.

        Args:
            data: to be fed.
            batch_size: of training.
            put: moves a tree of arrays, the whole batch, to the devices.
        """
        self._data, self._batch_size, self._put = data, batch_size, put
        self._passes: dict[str, Iterator[dict[str, np.ndarray]]] = {}

    @property
    def recipe(self) -> Recipe:
        """Raises `UserError`: how the batches are made is not known here."""
        raise UserError("the data make their own batches: how images become them is not known here")

    @property
    def sizes(self) -> dict[str, int]:
        """Examples by split."""
        return self._data.sizes

    @property
    def skipped(self) -> Mapping[str, Collection[str]]:
        """Nothing is left out here."""
        return {}

    def evaluated(self, split: str) -> int:
        """Returns how many examples a whole pass over a split must have counted: all."""
        return self.sizes[split]

    def feed(self, step: int) -> Feed:
        """Returns the batch of a step."""
        return self._put(read_batch(f"train({step})", self._data.train(step), self._batch_size))

    def train_batch(self, feed: Feed, step: Array, seed: Array | None = None) -> Batch:
        """Returns the batch as it is."""
        del step, seed
        return feed

    def eval_feed(self, split: str, start: int, batch_size: int, *, mixed: bool = False) -> Feed:  # noqa: ARG002
        """Returns the next `batch_size` examples of a split; from `start` 0 on, one call after the other.

        They come as they are given, also if `mixed`.
        """
        if start == 0:
            self._passes[split] = _rebatched(split, self._data.split(split), batch_size)
        batch = next(self._passes[split], None)
        if batch is None:
            raise UserError(f"Batches: {split} has ended before {self.sizes[split]} examples, as examples says")
        ends = start + batch_size >= self.sizes[split]
        count = start + int(batch["mask"].sum())
        if (ends and next(self._passes[split], None) is not None) or (ends and count != self.sizes[split]):
            raise UserError(f"Batches: {split} has other than {self.sizes[split]} examples, which examples says")
        return self._put(batch)

    def eval_batch(self, feed: Feed, start: Array, batch_size: int) -> Batch:
        """Returns the examples as they are, with their `mask`."""
        del start, batch_size
        return feed

    def close(self) -> None:
        """Forgets where it was in the splits."""
        self._passes.clear()


def _rebatched(split: str, batches: Iterable[HostBatch], size: int) -> Iterator[dict[str, np.ndarray]]:
    """Yields the examples of batches of any size in batches of `size`; the last is filled up, with `mask` 0."""
    rest: dict[str, np.ndarray] = {}
    for number, each in enumerate(batches):
        batch = read_batch(f"batch {number} of {split}", each)
        rest = {key: np.concatenate([rest[key], batch[key]]) if rest else batch[key] for key in batch}
        while len(rest["label"]) >= size:
            yield _masked({key: value[:size] for key, value in rest.items()}, size)
            rest = {key: value[size:] for key, value in rest.items()}
    if rest and len(rest["label"]):
        yield _masked(rest, size)


def _masked(batch: dict[str, np.ndarray], size: int) -> dict[str, np.ndarray]:
    count = len(batch["label"])
    filled = {key: np.concatenate([value, np.repeat(value[-1:], size - count, axis=0)]) for key, value in batch.items()}
    return {**filled, "mask": (np.arange(size) < count).astype(np.float32)}

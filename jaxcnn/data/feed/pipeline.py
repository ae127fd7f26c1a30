"""Makes batches inside compiled functions, from the order of the examples.

A pipeline has two sides. On the host, `feed` returns a tree of arrays, which the compiled step takes as an argument.
Inside the step, `train_batch` makes the batch from it. `eval_feed` and `eval_batch` do the same for evaluation.

There are two kinds of pipelines. The images of a small data set stay on the device; those of a large one are streamed
to it (`jaxcnn.data.feed.stream`). In both, order and randomness are functions of (seed, epoch, place) alone.
"""

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any, Protocol, TypeAlias

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxcnn.augment import Augment, Draw
from jaxcnn.augment.stage import stage
from jaxcnn.data.feed.order import augmentation_keys, example_at, fixed_keys
from jaxcnn.data.read.records import mixing_order
from jaxcnn.types import Array, Batch

Feed: TypeAlias = Any
"""A tree of arrays: an argument of compiled functions, never a constant in them."""


class Pipeline(Protocol):
    """The interface of pipelines to the training loop."""

    @property
    def recipe(self) -> "Recipe":
        """How training batches are made."""

    @property
    def sizes(self) -> Mapping[str, int]:
        """Number of examples of each split."""

    @property
    def skipped(self) -> Mapping[str, Collection[str]]:
        """By split, the names of the images that were found unreadable so far and were left out."""

    def evaluated(self, split: str) -> int:
        """Returns the number of examples that this process must count in a whole pass over a split."""

    def feed(self, step: int) -> Feed:
        """Returns, on the host, what `train_batch` needs at `step`; fastest if steps are asked for in order."""

    def train_batch(self, feed: Feed, step: Array, seed: Array | None = None) -> Batch:
        """Returns, traced, the `image` and `label` of a step (int32 scalar); the default of `seed` is the recipe's."""

    def eval_feed(self, split: str, start: int, batch_size: int, *, mixed: bool = False) -> Feed:
        """Returns, on the host, what `eval_batch` needs for `batch_size` examples of a split from `start` on.

        If `mixed`, the examples are counted in an order that mixes classes, always the same (`mixing_order`).
        """

    def eval_batch(self, feed: Feed, start: Array, batch_size: int) -> Batch:
        """Returns, traced, `image`, `label` and `mask` of `batch_size` examples from `start` on, not augmented."""

    def close(self) -> None:
        """Ends the threads and processes that prepare batches; a later `feed` starts them anew."""


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Recipe:
    """How a batch is made of stored images: order, augmentation and whitening."""

    batch_size: int
    """Examples in a training batch, over all devices and processes."""
    seed: int
    """Of order and augmentation."""
    examples: int
    """Number of examples in the training split."""
    augment: Augment
    """Takes uint8 images, as what `jaxcnn.augment.chain` returns does."""
    mean: np.ndarray
    """(channels,) float32, where white is 1."""
    std: np.ndarray
    """(channels,) float32, where white is 1."""
    repeats: int = 1
    """Times in a row that each example comes."""

    def draw(self, step: int | Array, seed: Array | None = None) -> tuple[Draw, Array]:
        """Returns the random keys of a step's batch, and the indices of its examples, (batch,) uint32.

        Args:
            step: int32 scalar from 0; `step * batch_size` must be below 2**32.
            seed: uint32 scalar; None for the recipe's.
        """
        chosen = self.seed if seed is None else seed
        first = jnp.asarray(step).astype(jnp.uint32) * np.uint32(self.batch_size)
        position = first + jnp.arange(self.batch_size, dtype=jnp.uint32)
        epoch, place, example = example_at(chosen, position, self.examples, self.repeats)
        times_seen = epoch * np.uint32(self.repeats) + place % np.uint32(self.repeats)
        keys = augmentation_keys(chosen, epoch, place)
        return Draw(keys, times_seen, fixed_keys(chosen, example)), example

    def train(self, draw: Draw, image: Array, label: Array) -> Batch:
        """Returns `image` (batch, height, width, channels) float32, augmented and whitened, and `label`.

        Args:
            draw: random keys of the batch.
            image: (batch, height, width, channels) uint8.
            label: (batch,) int32.
        """
        image, label = self.augment(draw, image, label)
        return {"image": self.whiten(image), "label": label}

    def whiten(self, image: Array) -> Array:
        """Returns `image` whitened with the recipe's mean and standard deviation."""
        if image.shape[-1] > 1:
            return whiten(image, self.mean, self.std)
        # As one long row: if the last axis has size 1, XLA on a CPU ends with a copy between two equal layouts.
        return stage(lambda: whiten(image.reshape(-1, 1), self.mean, self.std).reshape(-1)).reshape(image.shape)

    def pixels(self, image: np.ndarray) -> np.ndarray:
        """Returns the pixels of whitened images, (batch, height, width, channels) uint8."""
        level = (np.nan_to_num(image) * self.std + self.mean) * 255
        return np.clip(np.rint(level), 0, 255).astype(np.uint8)


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class DevicePipeline:
    """The pipeline of data sets whose images are all on the device. It shuffles and gathers inside the step."""

    arrays: Mapping[str, Feed]
    """By split, `image` (examples, height, width, channels) uint8 and `label` (examples,) int32."""
    recipe: Recipe
    skipped: Mapping[str, Collection[str]] = dataclasses.field(default_factory=dict)
    """By split, the names of the unreadable images, which were left out."""

    @property
    def sizes(self) -> dict[str, int]:
        """Number of examples of each split."""
        return {split: arrays["label"].shape[0] for split, arrays in self.arrays.items()}

    def evaluated(self, split: str) -> int:
        """Returns the number of examples that a whole pass over a split must count: all."""
        return self.sizes[split]

    def feed(self, step: int) -> Feed:  # noqa: ARG002
        """Returns the whole training split, at every step."""
        return self.arrays["train"]

    def train_batch(self, feed: Feed, step: Array, seed: Array | None = None) -> Batch:
        """Returns the batch of a training step, a function of (seed, step) alone.

        Args:
            feed: what `feed` returns.
            step: int32 scalar from 0; `step * batch_size` must be below 2**32.
            seed: uint32 scalar; None for the recipe's.

        Returns:
            `image` (batch, height, width, channels) float32, whitened, and `label` (batch,) int32, or (batch,
            num_classes) float32 if the augmentation mixes examples.
        """
        draw, example = self.recipe.draw(step, seed)
        return self.recipe.train(draw, *_gather(feed, example))

    def eval_feed(self, split: str, start: int, batch_size: int, *, mixed: bool = False) -> Feed:  # noqa: ARG002
        """Returns the whole split, and if `mixed` the order of its examples, `order`."""
        return {**self.arrays[split], **({"order": mixing_order(self.sizes[split])} if mixed else {})}

    def eval_batch(self, feed: Feed, start: int | Array, batch_size: int) -> Batch:
        """Returns `batch_size` examples of a split from `start` on.

        The starts 0, batch_size, 2 * batch_size and so on give each example exactly once.

        Args:
            feed: what `eval_feed` returns.
            start: int32 scalar.
            batch_size: examples in the batch.

        Returns:
            `image` and `label` as in training, but not augmented, and `mask` (batch,) float32: 1 for an example, 0 for
            padding behind the end of the split.
        """
        size = feed["label"].shape[0]
        position = jnp.asarray(start, jnp.int32) + jnp.arange(batch_size, dtype=jnp.int32)
        place = jnp.minimum(position, size - 1)
        image, label = _gather(feed, feed["order"][place] if "order" in feed else place)
        return {"image": self.recipe.whiten(image), "label": label, "mask": (position < size).astype(jnp.float32)}

    def close(self) -> None:
        """Does nothing."""


def whiten(image: Array | np.ndarray, mean: np.ndarray, std: np.ndarray) -> Array:
    """Returns (image / 255 - mean) / std, float32, of the same shape.

    Args:
        image: (..., channels), uint8 or float, on the scale of 0 to 255.
        mean: (channels,) float32, where white is 1.
        std: (channels,) float32, where white is 1.
    """
    by_channel = (1,) * (image.ndim - 1) + (-1,)
    scaled = jnp.asarray(image).astype(jnp.float32) / 255
    return (scaled - jnp.reshape(mean, by_channel)) / jnp.reshape(std, by_channel)


def _gather(arrays: Feed, index: Array) -> tuple[Array, Array]:
    """Returns the images and labels at `index` (batch,), which must be valid: it is not checked."""
    image, label = arrays["image"], arrays["label"]
    rows = image.reshape(len(image), -1)
    index = lax.optimization_barrier(index)  # else it may be computed again for every pixel
    found = stage(lambda: rows.at[index].get(mode="promise_in_bounds"))
    return found.reshape(-1, *image.shape[1:]), label.at[index].get(mode="promise_in_bounds")

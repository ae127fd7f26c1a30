"""From the order of examples to batches, inside compiled functions.

A pipeline has two sides: `feed` on the host gives a tree of arrays, which is handed to a compiled function as an
argument, and there `train_batch` makes the batch of a step out of it; `eval_feed` and `eval_batch` do the same for the
splits that are evaluated. There are two kinds: the images of a small data set live on the device, those of a large one
stream to it (`jaxcnn.data.feed.stream`). In both, the order and all chance are functions of (seed, epoch, place) alone.
"""

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any, Protocol, TypeAlias

import jax.numpy as jnp
import numpy as np

from jaxcnn.augment import Augment, Draw
from jaxcnn.augment.settle import apart, settle
from jaxcnn.data.feed.order import augmentation_keys, example_at, fixed_keys
from jaxcnn.types import Array, Batch

Feed: TypeAlias = Any
"""A tree of arrays: an argument of compiled functions, never a constant in them."""


class Pipeline(Protocol):
    """What a training loop knows of a pipeline."""

    @property
    def recipe(self) -> "Recipe":
        """How batches are made."""

    @property
    def sizes(self) -> Mapping[str, int]:
        """Examples by split."""

    @property
    def skipped(self) -> Mapping[str, Collection[str]]:
        """Names, by split, of the images met so far that cannot be read and were left out."""

    def evaluated(self, split: str) -> int:
        """Returns how many examples a whole pass of this process over a split must have counted."""

    def feed(self, step: int) -> Feed:
        """Returns, on the host, what `train_batch` needs at `step`; cheapest step after step."""

    def train_batch(self, feed: Feed, step: Array, seed: Array | None = None) -> Batch:
        """Returns, traced, the batch of a step (int32 scalar), by default of the recipe's seed: `image` and `label`."""

    def eval_feed(self, split: str, start: int, batch_size: int) -> Feed:
        """Returns, on the host, what `eval_batch` needs for the examples of a split from `start` on."""

    def eval_batch(self, feed: Feed, start: Array, batch_size: int) -> Batch:
        """Returns, traced, `batch_size` examples from `start` on: `image`, `label` and `mask`, not augmented."""

    def close(self) -> None:
        """Ends the threads and processes that prepare batches; a later `feed` starts them anew."""


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Recipe:
    """What becomes of the images of a step, wherever they come from."""

    batch_size: int
    """Examples in a training batch, over all devices and processes."""
    seed: int
    """Of order and augmentation."""
    examples: int
    """In the training split."""
    augment: Augment
    """As of `jaxcnn.augment.chain`: it is given bytes."""
    mean: np.ndarray
    """(channels,) float32, white is 1."""
    std: np.ndarray
    """(channels,) float32, white is 1."""
    repeats: int = 1
    """How often in a row each example comes."""

    def draw(self, step: int | Array, seed: Array | None = None) -> tuple[Draw, Array]:
        """Returns the chances of a step's batch, and which examples it is made of, (batch,) uint32.

        Args:
            step: int32 scalar from 0; `step * batch_size` must stay below 2**32.
            seed: uint32 scalar, in place of the recipe's.
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
            draw: the chances of the batch.
            image: (batch, height, width, channels) uint8.
            label: (batch,) int32.
        """
        image, label = self.augment(draw, image, label)
        return {"image": self.whiten(image), "label": label}

    def whiten(self, image: Array) -> Array:
        """Returns `whiten` by the recipe's statistics."""
        if image.shape[-1] > 1:
            return whiten(image, self.mean, self.std)
        # One long row: with a last axis of one, XLA for a CPU ends in a copy from one layout to an equal one.
        return apart(lambda: whiten(image.reshape(-1, 1), self.mean, self.std).reshape(-1)).reshape(image.shape)


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class DevicePipeline:
    """The pipeline of data sets that live whole on the device: permuted, gathered and augmented inside the step."""

    arrays: Mapping[str, Feed]
    """By split: `image` (examples, height, width, channels) uint8 and `label` (examples,) int32."""
    recipe: Recipe
    skipped: Mapping[str, Collection[str]] = dataclasses.field(default_factory=dict)
    """Names, by split, of the images that cannot be read and were left out."""

    @property
    def sizes(self) -> dict[str, int]:
        """Examples by split."""
        return {split: arrays["label"].shape[0] for split, arrays in self.arrays.items()}

    def evaluated(self, split: str) -> int:
        """Returns how many examples a whole pass over a split must have counted: all."""
        return self.sizes[split]

    def feed(self, step: int) -> Feed:  # noqa: ARG002
        """Returns the whole training split, whatever the step."""
        return self.arrays["train"]

    def train_batch(self, feed: Feed, step: Array, seed: Array | None = None) -> Batch:
        """Returns the batch of a training step; a function of (seed, step) alone, whatever was trained before.

        Args:
            feed: of this pipeline.
            step: int32 scalar from 0; `step * batch_size` must stay below 2**32.
            seed: uint32 scalar, in place of the recipe's.

        Returns:
            `image` (batch, height, width, channels) float32, whitened, and `label` (batch,) int32, or float32
            (batch, num_classes) where the augmentation mixes.
        """
        draw, example = self.recipe.draw(step, seed)
        return self.recipe.train(draw, *_gather(feed, example))

    def eval_feed(self, split: str, start: int, batch_size: int) -> Feed:  # noqa: ARG002
        """Returns the whole split."""
        return self.arrays[split]

    def eval_batch(self, feed: Feed, start: int | Array, batch_size: int) -> Batch:
        """Returns `batch_size` examples of a split from `start` on; over starts 0, batch_size, ... each exactly once.

        Args:
            feed: of this pipeline.
            start: int32 scalar.
            batch_size: examples in the batch.

        Returns:
            `image` and `label` as in training, not augmented, and `mask` (batch,) float32: 0 where the split has ended.
        """
        size = feed["label"].shape[0]
        position = jnp.asarray(start, jnp.int32) + jnp.arange(batch_size, dtype=jnp.int32)
        image, label = _gather(feed, jnp.minimum(position, size - 1))
        return {"image": self.recipe.whiten(image), "label": label, "mask": (position < size).astype(jnp.float32)}

    def close(self) -> None:
        """Does nothing."""


def whiten(image: Array | np.ndarray, mean: np.ndarray, std: np.ndarray) -> Array:
    """Returns (image / 255 - mean) / std, float32, by channel.

    Args:
        image: (..., channels), uint8 or float, on the scale of 0 to 255.
        mean: (channels,) float32, white is 1.
        std: (channels,) float32, white is 1.
    """
    by_channel = (1,) * (image.ndim - 1) + (-1,)
    scaled = jnp.asarray(image).astype(jnp.float32) / 255
    return (scaled - jnp.reshape(mean, by_channel)) / jnp.reshape(std, by_channel)


def _gather(arrays: Feed, index: Array) -> tuple[Array, Array]:
    """Returns images and labels at `index` (batch,), which must lie within."""
    image, label = arrays["image"], arrays["label"]
    rows = image.reshape(len(image), -1)
    index = settle(index)  # else a CPU computes it again for every pixel
    found = apart(lambda: rows.at[index].get(mode="promise_in_bounds"))
    return found.reshape(-1, *image.shape[1:]), label.at[index].get(mode="promise_in_bounds")

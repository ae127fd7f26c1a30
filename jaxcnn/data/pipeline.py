"""From the order of examples to batches, inside compiled functions.

A pipeline has two sides: `feed` on the host gives a tree of arrays, which is handed to a compiled function as an
argument, and there `train_batch` makes the batch of a step out of it.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.data.augment import Augment
from jaxcnn.data.order import augmentation_keys, example_at
from jaxcnn.data.split import Split
from jaxcnn.types import Array, Batch

Feed: TypeAlias = Any
"""A tree of arrays: an argument of compiled functions, never a constant in them."""


class Pipeline(Protocol):
    """What a training loop knows of a pipeline."""

    @property
    def batch_size(self) -> int:
        """Examples in a training batch, over all devices."""

    @property
    def sizes(self) -> Mapping[str, int]:
        """Examples by split."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of what a network sees."""

    def feed(self, step: int) -> Feed:
        """Returns, on the host, what `train_batch` needs at `step`."""

    def train_batch(self, feed: Feed, step: Array) -> Batch:
        """Returns, traced, the batch of a step (int32 scalar): `image` and `label`."""


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class DevicePipeline:
    """The pipeline of data sets that live whole on the device: permuted, gathered and augmented inside the step."""

    arrays: Mapping[str, Feed]
    """By split: `image` (examples, height, width, channels) uint8 and `label` (examples,) int32."""
    batch_size: int
    seed: int
    augment: Augment
    mean: np.ndarray
    """(channels,) float32, white is 1."""
    std: np.ndarray
    """(channels,) float32, white is 1."""

    @property
    def sizes(self) -> dict[str, int]:
        """Examples by split."""
        return {split: arrays["label"].shape[0] for split, arrays in self.arrays.items()}

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.arrays["train"]["image"].shape[1:]

    def feed(self, step: int) -> Feed:  # noqa: ARG002
        """Returns the whole training split, whatever the step."""
        return self.arrays["train"]

    def train_batch(self, feed: Feed, step: Array) -> Batch:
        """Returns the batch of a training step; a function of (seed, step) alone, whatever was trained before.

        Args:
            feed: of this pipeline.
            step: int32 scalar from 0; `step * batch_size` must stay below 2**32.

        Returns:
            `image` (batch, height, width, channels) float32, whitened, and `label` (batch,) int32.
        """
        first = jnp.asarray(step).astype(jnp.uint32) * np.uint32(self.batch_size)
        position = first + jnp.arange(self.batch_size, dtype=jnp.uint32)
        epoch, index, example = example_at(self.seed, position, feed["label"].shape[0])
        keys = augmentation_keys(self.seed, epoch, index)
        image, label = _gather(feed, example)
        image, label = self.augment(keys, image.astype(jnp.float32), label)
        return {"image": whiten(image, self.mean, self.std), "label": label}

    def eval_batch(self, arrays: Feed, start: int | Array, batch_size: int) -> Batch:
        """Returns `batch_size` examples of a split from `start` on; over starts 0, batch_size, ... each exactly once.

        Args:
            arrays: one of `self.arrays`.
            start: int32 scalar.
            batch_size: examples in the batch.

        Returns:
            `image` and `label` as in training, not augmented, and `mask` (batch,) float32: 0 where the split has ended.
        """
        size = arrays["label"].shape[0]
        position = jnp.asarray(start, jnp.int32) + jnp.arange(batch_size, dtype=jnp.int32)
        image, label = _gather(arrays, jnp.minimum(position, size - 1))
        mask = (position < size).astype(jnp.float32)
        return {"image": whiten(image, self.mean, self.std), "label": label, "mask": mask}


def make_device_pipeline(
    splits: Mapping[str, Split],
    *,
    batch_size: int,
    seed: int,
    augment: Augment,
    mean: np.ndarray,
    std: np.ndarray,
    put: Callable[[Feed], Feed] = jax.device_put,
) -> DevicePipeline:
    """Returns the pipeline over splits that are moved to the device once.

    Args:
        splits: by name; "train" is trained on.
        batch_size: examples in a training batch, over all devices.
        seed: of order and augmentation.
        augment: applied to training images.
        mean: (channels,) float32, as of `channel_statistics`.
        std: (channels,) float32.
        put: moves a tree of arrays to where compiled functions will read it, such as a copy on every device of a mesh.
    """
    arrays = put({name: {"image": split.image, "label": split.label} for name, split in splits.items()})
    return DevicePipeline(arrays=arrays, batch_size=batch_size, seed=seed, augment=augment, mean=mean, std=std)


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
    return tuple(arrays[name].at[index].get(mode="promise_in_bounds") for name in ("image", "label"))

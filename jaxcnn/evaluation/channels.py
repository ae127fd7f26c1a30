"""What the values of each channel are, in numbers. Traced; channels are the last axis."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxcnn.types import Array


class Channels(NamedTuple):
    """Of some values, for each of their channels; for blocks in a loop, for each of each turn."""

    mean: Array
    """(channels,) or (turns, channels) float32, as the others."""
    variance: Array
    """Biased."""
    largest: Array
    """The largest size of a value."""


def channels_of(values: Array, *, looped: bool = False) -> Channels:
    """Returns the numbers of the channels of (batch, ..., channels), in a loop of (turns, batch, ..., channels)."""
    wide = values.astype(jnp.float32)
    axes = tuple(range(int(looped), values.ndim - 1))
    return Channels(jnp.mean(wide, axis=axes), jnp.var(wide, axis=axes), jnp.max(jnp.abs(wide), axis=axes))


def together(batches: list[Channels]) -> Channels:
    """Returns the numbers of several batches of the same size, as NumPy arrays of float64: squares may be large."""
    mean, variance, largest = (np.stack(each).astype(np.float64) for each in zip(*batches, strict=True))
    return Channels(mean.mean(axis=0), variance.mean(axis=0) + mean.var(axis=0), largest.max(axis=0))


def overall(found: Channels) -> tuple[float, float]:
    """Returns the mean and the variance of all values, of their channels; NumPy."""
    return float(np.mean(found.mean)), float(np.mean(found.variance) + np.var(found.mean))


def dead_share(found: Channels) -> float:
    """Returns the share of channels whose values are all 0."""
    return float(np.mean(np.asarray(found.largest) == 0))

"""Batch norm, also of a batch that is split over devices."""

import dataclasses
import math

import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from jaxcnn.errors import UserError
from jaxcnn.layers.normed import Normed
from jaxcnn.types import Array


class BatchNorm(Normed):
    """Normalises each channel by its mean and variance over examples, height and width (Ioffe and Szegedy 2015).

    The collection `batch_stats` has `mean` (initially 0) and `var` (initially 1), float32 (channels,). They follow the
    batch's statistics in training, and are used if `use_running_average`.

    Attributes:
        use_running_average: True in evaluation.
        momentum: weight of the old running value.
        examples: number of consecutive examples that share statistics, on any number of devices; None for all. The
            running mean and variance follow the average over these groups.
        unbiased: the running variance divides by n - 1, as in the paper's algorithm 2 and in PyTorch, but not in flax.
        axis_name: of the mapped axis (pmap, shard_map) over which the batch is split, equally and in order. Statistics
            are then those of the whole batch, or of `examples` of it, as without a split. None: the batch is not split.
    """

    use_running_average: bool = False
    momentum: float = 0.9
    examples: int | None = None
    unbiased: bool = False
    axis_name: str | None = None

    def __call__(self, x: Array) -> Array:
        """Returns x normalised.

        Raises:
            UserError: in training, if groups of `examples` do not fit the batch and its split.
        """
        scale, bias, mean, var = self.values(x.shape[-1])
        if self.use_running_average:
            shape = (1,) * (x.ndim - 1) + mean.shape
            return self.normalize(x, mean.reshape(shape), var.reshape(shape), scale, bias).astype(self.dtype)
        here, across = self.sharing(x.shape[0])
        # with another axis, even of length 1, a compiler may choose other layouts, and copy arrays
        grouped = x if here == x.shape[0] else x.reshape(-1, here, *x.shape[1:])
        mean, var = self.moments(grouped, tuple(range(grouped.ndim - x.ndim, grouped.ndim - 1)), across)
        y = self.normalize(grouped, mean, var, scale, bias).reshape(x.shape)
        self.follow(mean, var, here * math.prod(x.shape[1:-1]) * across.devices)
        return y.astype(self.dtype)

    def by_batch(self) -> bool:
        """Returns whether it normalises by the statistics of the batch, as in training."""
        return not self.use_running_average

    @nn.compact
    def values(self, channels: int) -> tuple[Array, Array, Array, Array]:
        """Returns scale, bias, running mean and running variance, (channels,) each."""
        scale, bias = self.scale_and_bias(channels)
        mean = self.variable("batch_stats", "mean", jnp.zeros, (channels,), jnp.float32)
        var = self.variable("batch_stats", "var", jnp.ones, (channels,), jnp.float32)
        return scale, bias, mean.value, var.value

    def follow(self, mean: Array, var: Array, count: int) -> None:
        """Updates the running values from mean and biased variance (groups, 1, ..., channels) of `count` values.

        Initialisation updates nothing.
        """
        if self.is_initializing():
            return
        correction = count / max(count - 1, 1) if self.unbiased else 1.0
        self._move("mean", mean)
        self._move("var", var * correction)

    def axes(self, rank: int) -> tuple[int, ...]:
        """Returns all axes but the channels."""
        return tuple(range(rank - 1))

    def averaged(self, shape: tuple[int, ...], batch: int) -> int:
        """Returns the number of values that each mean is taken over; see `Normed`."""
        return super().averaged(shape, batch) * (self.examples or batch)

    def sharing(self, batch: int) -> tuple[int, "_Mean"]:
        """Returns the number of the `batch` examples that share statistics, and the average over devices.

        At initialisation, one example is enough.
        """
        axis = None if self.is_initializing() else self.axis_name
        devices = 1 if axis is None else lax.axis_size(axis)
        if self.examples is None or self.is_initializing():
            return batch, _Mean(axis, devices)
        here = min(self.examples, batch)
        others = max(self.examples // batch, 1)
        if self.examples >= 1 and here * others == self.examples and batch % here == 0 and devices % others == 0:
            return here, _Mean(axis, others)
        raise UserError(
            f"batch norm shares statistics among {self.examples} examples, which must divide the {batch * devices}"
            + (f", and the {batch} of a device or be a multiple of them" if devices > 1 else "")
        )

    def _move(self, name: str, new: Array) -> None:
        """Updates a running value from the mean of `new` (groups, 1, ..., channels)."""
        old: Array = self.get_variable("batch_stats", name)
        new = lax.stop_gradient(new)  # no gradient is needed, so jax need not trace one
        average = jnp.mean(new.reshape(-1, old.shape[0]), axis=0)
        if self.axis_name is not None:
            average = lax.pmean(average, self.axis_name)
        moved = self.momentum * old + (1.0 - self.momentum) * average.astype(old.dtype)
        self.put_variable("batch_stats", name, moved)


@dataclasses.dataclass(frozen=True)
class _Mean:
    """The mean of a value over each run of consecutive devices of a mapped axis; None: the value itself."""

    axis_name: str | None
    devices: int

    def __call__(self, value: Array) -> Array:
        if self.axis_name is None or self.devices == 1:
            return value
        if self.devices == lax.axis_size(self.axis_name):
            return lax.pmean(value, self.axis_name)
        first = range(0, lax.axis_size(self.axis_name), self.devices)
        groups = [list(range(start, start + self.devices)) for start in first]
        return lax.pmean(value, self.axis_name, axis_index_groups=groups)

"""Normalisation layers.

Every layer takes (batch, height, width, channels) or (batch, channels), any float dtype, and returns that shape in its
`dtype`. Parameters are `scale` and `bias` (channels,), float32. Statistics are computed in float32 at least.
"""

import dataclasses
import math
from typing import ClassVar

import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jax.typing import DTypeLike

from jaxcnn.errors import UserError
from jaxcnn.layers.init import Initializer
from jaxcnn.ops.norm import Average, itself, local_response_norm, moments, normalize
from jaxcnn.types import Array


class _Normed(nn.Module):
    """Base class of norms with a learnt scale and bias."""

    use_bias: ClassVar[bool] = True
    scale_init: Initializer = nn.initializers.ones
    epsilon: float = 1e-5
    dtype: DTypeLike = jnp.float32

    def _scale_and_bias(self, channels: int) -> tuple[Array, Array]:
        scale = self.param("scale", self.scale_init, (channels,), jnp.float32)
        return scale, self.param("bias", nn.initializers.zeros, (channels,), jnp.float32)

    def axes(self, rank: int) -> tuple[int, ...]:
        """Returns the axes of means, for an array with `rank` axes."""
        raise NotImplementedError

    def averaged(self, shape: tuple[int, ...], batch: int) -> int:
        """Returns the number of values that each mean is taken over in training.

        Args:
            shape: (1, ..., channels), of the input for one example.
            batch: number of examples, which all share statistics if examples do and no field limits it.
        """
        del batch
        return math.prod(shape[axis] for axis in self.axes(len(shape)))

    def moments(self, x: Array, axes: tuple[int, ...], across: Average = itself) -> tuple[Array, Array]:
        """Returns the mean and the variance of x; see `jaxcnn.ops.norm.moments`."""
        return moments(x, axes, across)

    def normalize(self, x: Array, mean: Array, variance: Array, scale: Array, bias: Array) -> Array:
        """Returns x normalised by these; see `jaxcnn.ops.norm.normalize`."""
        return normalize(x, mean, variance, scale, bias, self.epsilon)

    def _by_itself(self, x: Array) -> Array:
        """Normalises x by its own statistics."""
        mean, variance = self.moments(x, self.axes(x.ndim))
        return self.normalize(x, mean, variance, *self._scale_and_bias(x.shape[-1])).astype(self.dtype)


class BatchNorm(_Normed):
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
        scale, bias = self._scale_and_bias(channels)
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
        """Returns the number of values that each mean is taken over; see `_Normed`."""
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


class LayerNorm(_Normed):
    """Normalises examples by their mean and variance over all but the batch (Ba et al. 2016; Wu and He 2018)."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Returns x normalised."""
        return self._by_itself(x)

    def axes(self, rank: int) -> tuple[int, ...]:
        """Returns all axes but the batch."""
        return tuple(range(1, rank))


class ChannelLayerNorm(_Normed):
    """Normalises pixels by mean and variance over channels (Liu et al. 2022, ConvNeXt; `flax.linen.LayerNorm`)."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Returns x normalised."""
        return self._by_itself(x)

    def axes(self, rank: int) -> tuple[int, ...]:
        """Returns the channels."""
        return (rank - 1,)


class InstanceNorm(_Normed):
    """Normalises each channel of each example by its mean and variance over height and width (Ulyanov et al. 2016)."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Returns x normalised.

        Raises:
            UserError: if x has no height and width.
        """
        if x.ndim < 3:
            raise UserError("instance norm averages over height and width, which a dense layer's output does not have")
        return self._by_itself(x)

    def axes(self, rank: int) -> tuple[int, ...]:
        """Returns height and width."""
        return tuple(range(1, rank - 1))


def default_num_groups(channels: int) -> int:
    """Returns the default number of groups of group norm.

    It is 32 (Wu and He 2018) if that divides the channels into groups of at least 2, else the largest number that
    divides them into groups of at least 4, else 1.
    """
    if channels >= 64 and channels % 32 == 0:
        return 32
    return max((groups for groups in range(1, channels // 4 + 1) if channels % groups == 0), default=1)


class GroupNorm(_Normed):
    """Normalises groups of consecutive channels of an example by mean and variance over channels and pixels.

    Source: Wu and He 2018. If `num_groups` is None, it is `default_num_groups`.
    """

    num_groups: int | None = None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Returns x normalised.

        Raises:
            UserError: if `num_groups` does not divide the channels.
        """
        shape = self.groups_of(x.shape[-1])
        grouped = x.reshape(*x.shape[:-1], *shape)
        mean, variance = self.moments(grouped, self.axes(grouped.ndim))
        scale, bias = (value.reshape(shape) for value in self._scale_and_bias(x.shape[-1]))
        return self.normalize(grouped, mean, variance, scale, bias).reshape(x.shape).astype(self.dtype)

    def axes(self, rank: int) -> tuple[int, ...]:
        """Returns all axes of (batch, ..., groups, channels of a group) except batch and groups."""
        return (*range(1, rank - 2), rank - 1)

    def averaged(self, shape: tuple[int, ...], batch: int) -> int:
        """Returns the number of values that each mean is taken over; see `_Normed`."""
        return super().averaged((*shape[:-1], *self.groups_of(shape[-1])), batch)

    def groups_of(self, channels: int) -> tuple[int, int]:
        """Returns the number of groups and of channels in each; raises `UserError` if they do not divide."""
        groups = default_num_groups(channels) if self.num_groups is None else self.num_groups
        if groups < 1 or channels % groups:
            raise UserError(f"group norm's {groups} groups must divide the {channels} channels")
        return groups, channels // groups


class LocalResponseNorm(nn.Module):
    """AlexNet's norm by neighbouring channels, without parameters; see `jaxcnn.ops.norm.local_response_norm`."""

    dtype: DTypeLike = jnp.float32
    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 2.0

    def __call__(self, x: Array) -> Array:
        """Returns x normalised."""
        return local_response_norm(x, size=self.size, alpha=self.alpha, beta=self.beta, k=self.k).astype(self.dtype)


class Identity(nn.Module):
    """No normalisation."""

    dtype: DTypeLike = jnp.float32

    def __call__(self, x: Array) -> Array:
        """Returns x."""
        return x.astype(self.dtype)

"""Normalisation layers.

Every layer takes (batch, height, width, channels) or (batch, channels), any float dtype, and returns that shape in its
`dtype`. Learnt per channel, float32: `scale` and `bias` (channels,). Statistics are computed in float32 at least.
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
    """What the normalisations with a learnt scale and bias share."""

    use_bias: ClassVar[bool] = True
    scale_init: Initializer = nn.initializers.ones
    epsilon: float = 1e-5
    dtype: DTypeLike = jnp.float32

    def _scale_and_bias(self, channels: int) -> tuple[Array, Array]:
        scale = self.param("scale", self.scale_init, (channels,), jnp.float32)
        return scale, self.param("bias", nn.initializers.zeros, (channels,), jnp.float32)

    def axes(self, rank: int) -> tuple[int, ...]:
        """Returns the axes, of an array of so many, that are averaged over."""
        raise NotImplementedError

    def averaged(self, shape: tuple[int, ...], batch: int) -> int:
        """Returns how many values each mean is of, in training.

        Args:
            shape: of the input, (1, ..., channels), for one example.
            batch: how many examples there are; all of them share statistics where examples do and no field says less.
        """
        del batch
        return math.prod(shape[axis] for axis in self.axes(len(shape)))

    def moments(self, x: Array, axes: tuple[int, ...], across: Average = itself) -> tuple[Array, Array]:
        """Returns the mean and the variance of x, see `jaxcnn.ops.norm.moments`."""
        return moments(x, axes, across)

    def normalize(self, x: Array, mean: Array, variance: Array, scale: Array, bias: Array) -> Array:
        """Returns x normalised by these, see `jaxcnn.ops.norm.normalize`."""
        return normalize(x, mean, variance, scale, bias, self.epsilon)

    def _by_itself(self, x: Array) -> Array:
        """Normalises x by its own statistics."""
        mean, variance = self.moments(x, self.axes(x.ndim))
        return self.normalize(x, mean, variance, *self._scale_and_bias(x.shape[-1])).astype(self.dtype)


class BatchNorm(_Normed):
    """Each channel by its mean and variance over examples, height and width (Ioffe and Szegedy 2015).

    Statistics in the collection `batch_stats`, float32 (channels,): `mean` (0 at first) and `var` (1), which follow the
    batch's in training and are used where `use_running_average`.

    Attributes:
        use_running_average: True in evaluation.
        momentum: weight of the old running value.
        examples: how many consecutive examples share statistics, wherever they are computed; None: all of the array.
            The running mean and variance follow the average over these groups.
        unbiased: the running variance divides by n - 1, as PyTorch's; the paper's algorithm 2 does too, flax does not.
        axis_name: of the mapped axis (pmap, shard_map) over which the batch is split, equally and in order; statistics
            are then those of the whole batch, or of `examples` of it, as without the split. None: the batch is whole.
    """

    use_running_average: bool = False
    momentum: float = 0.9
    examples: int | None = None
    unbiased: bool = False
    axis_name: str | None = None

    def __call__(self, x: Array) -> Array:
        """Returns x normalised.

        Raises:
            UserError: in training, groups of `examples` do not fit the batch and its split.
        """
        scale, bias, mean, var = self.values(x.shape[-1])
        if self.use_running_average:
            shape = (1,) * (x.ndim - 1) + mean.shape
            return self.normalize(x, mean.reshape(shape), var.reshape(shape), scale, bias).astype(self.dtype)
        here, across = self.sharing(x.shape[0])
        # an axis more, even of length 1, may have a compiler lay out arrays otherwise, and copy them for that
        grouped = x if here == x.shape[0] else x.reshape(-1, here, *x.shape[1:])
        mean, var = self.moments(grouped, tuple(range(grouped.ndim - x.ndim, grouped.ndim - 1)), across)
        y = self.normalize(grouped, mean, var, scale, bias).reshape(x.shape)
        self.follow(mean, var, here * math.prod(x.shape[1:-1]) * across.devices)
        return y.astype(self.dtype)

    @nn.compact
    def values(self, channels: int) -> tuple[Array, Array, Array, Array]:
        """Returns scale, bias, running mean and running variance, (channels,) each, which it makes where it must."""
        scale, bias = self._scale_and_bias(channels)
        mean = self.variable("batch_stats", "mean", jnp.zeros, (channels,), jnp.float32)
        var = self.variable("batch_stats", "var", jnp.ones, (channels,), jnp.float32)
        return scale, bias, mean.value, var.value

    def follow(self, mean: Array, var: Array, count: int) -> None:
        """Moves the running values towards a batch's mean and biased variance, (groups, 1, ..., channels), of `count`.

        Initialisation moves nothing.
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
        """Returns how many values each mean is of, see `_Normed`."""
        return super().averaged(shape, batch) * (self.examples or batch)

    def sharing(self, batch: int) -> tuple[int, "_Mean"]:
        """Returns how many of the `batch` examples here share statistics, and what averages over devices that do.

        Initialisation sees one example and asks for no more.
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
        """Moves a running value towards the mean of `new` (groups, 1, ..., channels)."""
        old: Array = self.get_variable("batch_stats", name)
        new = lax.stop_gradient(new)  # nothing is learnt through it, and jax need not trace how
        average = jnp.mean(new.reshape(-1, old.shape[0]), axis=0)
        if self.axis_name is not None:
            average = lax.pmean(average, self.axis_name)
        moved = self.momentum * old + (1.0 - self.momentum) * average.astype(old.dtype)
        self.put_variable("batch_stats", name, moved)


@dataclasses.dataclass(frozen=True)
class _Mean:
    """The mean of a value over each run of so many devices of a mapped axis; None: the value itself."""

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
    """Each example by its mean and variance over height, width and channels (Ba et al. 2016; Wu and He 2018)."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Returns x normalised."""
        return self._by_itself(x)

    def axes(self, rank: int) -> tuple[int, ...]:
        """Returns all axes but the batch."""
        return tuple(range(1, rank))


class ChannelLayerNorm(_Normed):
    """Each pixel by its mean and variance over the channels (Liu et al. 2022, ConvNeXt; `flax.linen.LayerNorm`)."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Returns x normalised."""
        return self._by_itself(x)

    def axes(self, rank: int) -> tuple[int, ...]:
        """Returns the channels."""
        return (rank - 1,)


class InstanceNorm(_Normed):
    """Each channel of each example by its mean and variance over height and width (Ulyanov et al. 2016)."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Returns x normalised.

        Raises:
            UserError: x has no height and width.
        """
        if x.ndim < 3:
            raise UserError("instance norm averages over height and width, which a dense layer's output does not have")
        return self._by_itself(x)

    def axes(self, rank: int) -> tuple[int, ...]:
        """Returns height and width."""
        return tuple(range(1, rank - 1))


def default_num_groups(channels: int) -> int:
    """Returns group norm's number of groups where none is given.

    32 (Wu and He 2018) where that divides the channels and leaves at least 2 in each; else the most groups that divide
    them and leave at least 4; 1 where there are none.
    """
    if channels >= 64 and channels % 32 == 0:
        return 32
    return max((groups for groups in range(1, channels // 4 + 1) if channels % groups == 0), default=1)


class GroupNorm(_Normed):
    """Each group of consecutive channels of an example by its mean and variance over them, height and width.

    Wu and He 2018. `num_groups` None: `default_num_groups`.
    """

    num_groups: int | None = None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Returns x normalised.

        Raises:
            UserError: `num_groups` does not divide the channels.
        """
        shape = self._grouped(x.shape[-1])
        grouped = x.reshape(*x.shape[:-1], *shape)
        mean, variance = self.moments(grouped, self.axes(grouped.ndim))
        scale, bias = (value.reshape(shape) for value in self._scale_and_bias(x.shape[-1]))
        return self.normalize(grouped, mean, variance, scale, bias).reshape(x.shape).astype(self.dtype)

    def axes(self, rank: int) -> tuple[int, ...]:
        """Returns the axes of (batch, ..., groups, channels of a group) but the batch and the groups."""
        return (*range(1, rank - 2), rank - 1)

    def averaged(self, shape: tuple[int, ...], batch: int) -> int:
        """Returns how many values each mean is of, see `_Normed`."""
        return super().averaged((*shape[:-1], *self._grouped(shape[-1])), batch)

    def _grouped(self, channels: int) -> tuple[int, int]:
        """Returns the groups and the channels of each."""
        groups = default_num_groups(channels) if self.num_groups is None else self.num_groups
        if groups < 1 or channels % groups:
            raise UserError(f"group norm's {groups} groups must divide the {channels} channels")
        return groups, channels // groups


class LocalResponseNorm(nn.Module):
    """AlexNet's damping by neighbouring channels; nothing learnt. See `jaxcnn.ops.norm.local_response_norm`."""

    dtype: DTypeLike = jnp.float32
    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 2.0

    def __call__(self, x: Array) -> Array:
        """Returns x damped."""
        return local_response_norm(x, size=self.size, alpha=self.alpha, beta=self.beta, k=self.k).astype(self.dtype)


class Identity(nn.Module):
    """No normalisation."""

    dtype: DTypeLike = jnp.float32

    def __call__(self, x: Array) -> Array:
        """Returns x."""
        return x.astype(self.dtype)

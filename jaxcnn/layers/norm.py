"""Normalisation layers.

Every layer takes (batch, height, width, channels) or (batch, channels), any float dtype, and returns that shape in its
`dtype`. Parameters are `scale` and `bias` (channels,), float32. Statistics are computed in float32 at least.
"""

import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike

from jaxcnn.errors import UserError
from jaxcnn.layers.batch_norm import BatchNorm as BatchNorm
from jaxcnn.layers.normed import Normed
from jaxcnn.ops.norm import local_response_norm
from jaxcnn.types import Array


class LayerNorm(Normed):
    """Normalises examples by their mean and variance over all but the batch (Ba et al. 2016; Wu and He 2018)."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Returns x normalised."""
        return self.by_itself(x)


class ChannelLayerNorm(Normed):
    """Normalises pixels by mean and variance over channels (Liu et al. 2022, ConvNeXt; `flax.linen.LayerNorm`)."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Returns x normalised."""
        return self.by_itself(x)

    def axes(self, rank: int) -> tuple[int, ...]:
        """Returns the channels."""
        return (rank - 1,)


class InstanceNorm(Normed):
    """Normalises each channel of each example by its mean and variance over height and width (Ulyanov et al. 2016)."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Returns x normalised.

        Raises:
            UserError: if x has no height and width.
        """
        if x.ndim < 3:
            raise UserError("instance norm averages over height and width, which a dense layer's output does not have")
        return self.by_itself(x)

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


class GroupNorm(Normed):
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
        scale, bias = (value.reshape(shape) for value in self.scale_and_bias(x.shape[-1]))
        return self.normalize(grouped, mean, variance, scale, bias).reshape(x.shape).astype(self.dtype)

    def axes(self, rank: int) -> tuple[int, ...]:
        """Returns all axes of (batch, ..., groups, channels of a group) except batch and groups."""
        return (*range(1, rank - 2), rank - 1)

    def averaged(self, shape: tuple[int, ...], batch: int) -> int:
        """Returns the number of values that each mean is taken over; see `Normed`."""
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

"""What norms with a learnt scale and bias have in common."""

import math
from typing import ClassVar

import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike

from jaxcnn.layers.init import Initializer
from jaxcnn.ops.norm import Average, itself, moments, normalize
from jaxcnn.types import Array


class Normed(nn.Module):
    """Base class of norms with a learnt scale and bias.

    Attributes:
        scale_init: of the scale; the bias begins at 0.
        epsilon: added to the variance.
        dtype: of the result.
    """

    use_bias: ClassVar[bool] = True
    scale_init: Initializer = nn.initializers.ones
    epsilon: float = 1e-5
    dtype: DTypeLike = jnp.float32

    def scale_and_bias(self, channels: int) -> tuple[Array, Array]:
        """Returns the learnt scale and bias, (channels,) float32 each; called within a compact method."""
        scale = self.param("scale", self.scale_init, (channels,), jnp.float32)
        return scale, self.param("bias", nn.initializers.zeros, (channels,), jnp.float32)

    def axes(self, rank: int) -> tuple[int, ...]:
        """Returns the axes of means, for an array with `rank` axes: by default all but the batch."""
        return tuple(range(1, rank))

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

    def by_itself(self, x: Array) -> Array:
        """Returns x normalised by its own statistics; called within a compact method."""
        mean, variance = self.moments(x, self.axes(x.ndim))
        return self.normalize(x, mean, variance, *self.scale_and_bias(x.shape[-1])).astype(self.dtype)

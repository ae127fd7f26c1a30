"""Initializers of weights, for HWIO or (in, out) kernels.

XLA can take seconds to compile a random draw in the shape of a kernel with a last axis of about 12. Numbers are
therefore drawn as one row and then reshaped. They are the same as those of flax.linen.initializers for the same dtype.
"""

import math
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike

from jaxcnn.types import Array

Initializer: TypeAlias = Callable[..., Array]
"""(key, shape, dtype) -> numbers."""

Distribution: TypeAlias = Literal["normal", "uniform", "truncated_normal"]


def _in_a_row(initializer: Initializer) -> Initializer:
    """Returns `initializer` with all numbers drawn as one row; they must not depend on the shape."""

    def initialize(key: Array, shape: Sequence[int], dtype: DTypeLike = jnp.float32) -> Array:
        return initializer(key, (math.prod(shape),), dtype).reshape(shape)

    return initialize


def variance_scaling(scale: float, mode: Literal["fan_in", "fan_out"], distribution: Distribution) -> Initializer:
    """Returns an initializer of variance `scale` / fan, for kernels with at least two axes.

    Args:
        scale: 2 for a layer before a ReLU, else 1.
        mode: fan_in (kernel_height * kernel_width * channels) or fan_out (kernel_height * kernel_width * features).
        distribution: normal, uniform, or truncated_normal (truncated at two standard deviations, then scaled to the
            variance).
    """

    def initialize(key: Array, shape: Sequence[int], dtype: DTypeLike = jnp.float32) -> Array:
        fan = math.prod(shape) // shape[{"fan_in": -1, "fan_out": -2}[mode]]
        of_fan_1 = nn.initializers.variance_scaling(scale / fan, "fan_in", distribution, (), (), 0)
        return _in_a_row(of_fan_1)(key, shape, dtype)

    return initialize


def normal(stddev: float) -> Initializer:
    """Returns a normal initializer with this standard deviation and mean 0."""
    return _in_a_row(nn.initializers.normal(stddev))


lecun_normal = variance_scaling(1.0, "fan_in", "truncated_normal")
"""Truncated normal of variance 1 / fan_in (LeCun et al. 1998, "Efficient backprop", section 4.6): the default of Flax,
and of `Net.classify`."""

he_normal = variance_scaling(2.0, "fan_in", "truncated_normal")
"""Truncated normal of variance 2 / fan_in: keeps the variance of activations in ReLU nets (He et al. 2015, "Delving
deep into rectifiers", section 2.2)."""

he_uniform = variance_scaling(2.0, "fan_in", "uniform")
"""Uniform of variance 2 / fan_in."""

he_normal_fan_out = variance_scaling(2.0, "fan_out", "normal")
"""Normal of variance 2 / (kernel_height * kernel_width * features): keeps the variance of gradients in ReLU nets (He et
al. 2015, section 2.2). Residual nets use it."""

torch_default = variance_scaling(1 / 3, "fan_in", "uniform")
"""Uniform within 1 / sqrt(fan_in): the default of PyTorch's Conv2d and Linear, for nets whose results depend on it."""


def lecun_1998(key: Array, shape: Sequence[int], dtype: DTypeLike = jnp.float32) -> Array:
    """Returns weights uniform within 2.4 / fan_in, (..., fan_in, features) (LeCun et al. 1998, appendix A, LeNet-5)."""
    bound = 2.4 / math.prod(shape[:-1])
    return jax.random.uniform(key, (math.prod(shape),), dtype, -bound, bound).reshape(shape)

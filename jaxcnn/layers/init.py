"""Initial weights. All take HWIO or (in, out) kernels.

Numbers are drawn in a row and then shaped; they are the same as those of flax.linen.initializers for the same dtype.
Drawn in the shape of a kernel, with a last axis of 12 or so, one draw takes XLA on a CPU seconds to compile.
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
    """Returns `initializer`, whose numbers do not depend on the shape, with all of them drawn in one row."""

    def initialize(key: Array, shape: Sequence[int], dtype: DTypeLike = jnp.float32) -> Array:
        return initializer(key, (math.prod(shape),), dtype).reshape(shape)

    return initialize


def variance_scaling(scale: float, mode: Literal["fan_in", "fan_out"], distribution: Distribution) -> Initializer:
    """Returns what draws numbers of variance `scale` / fan, for kernels of at least two axes.

    Args:
        scale: 2 for what a ReLU follows, 1 for what none follows.
        mode: fan_in (kernel_height * kernel_width * channels) or fan_out (the same of features).
        distribution: normal, uniform, or truncated_normal (cut off at two deviations, then widened to the variance).
    """

    def initialize(key: Array, shape: Sequence[int], dtype: DTypeLike = jnp.float32) -> Array:
        fan = math.prod(shape) // shape[{"fan_in": -1, "fan_out": -2}[mode]]
        of_fan_1 = nn.initializers.variance_scaling(scale / fan, "fan_in", distribution, (), (), 0)
        return _in_a_row(of_fan_1)(key, shape, dtype)

    return initialize


def normal(stddev: float) -> Initializer:
    """Returns what draws numbers of this standard deviation, and mean 0."""
    return _in_a_row(nn.initializers.normal(stddev))


lecun_normal = variance_scaling(1.0, "fan_in", "truncated_normal")
"""Of variance 1 / fan_in, a normal cut off (LeCun et al. 1998, "Efficient backprop", section 4.6): Flax's own default,
and that of `Net.classify`."""

he_normal = variance_scaling(2.0, "fan_in", "truncated_normal")
"""Of variance 2 / fan_in, a normal cut off: keeps the size of what goes forward through ReLU nets (He et al.
2015, "Delving deep into rectifiers", section 2.2)."""

he_uniform = variance_scaling(2.0, "fan_in", "uniform")
"""The same, uniform."""

he_normal_fan_out = variance_scaling(2.0, "fan_out", "normal")
"""Normal of variance 2 / (kernel_height * kernel_width * features): keeps the size of the gradient on its way back
through ReLU nets (He et al. 2015, section 2.2). Residual nets use it."""

torch_default = variance_scaling(1 / 3, "fan_in", "uniform")
"""Uniform within 1 / sqrt(fan_in): what PyTorch's Conv2d and Linear start from, for numbers that depend on it."""


def lecun_1998(key: Array, shape: Sequence[int], dtype: DTypeLike = jnp.float32) -> Array:
    """Returns weights uniform within 2.4 / fan_in, (..., fan_in, features) (LeCun et al. 1998, appendix A, LeNet-5)."""
    bound = 2.4 / math.prod(shape[:-1])
    return jax.random.uniform(key, (math.prod(shape),), dtype, -bound, bound).reshape(shape)

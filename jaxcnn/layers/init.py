"""Initial weights of the papers; flax.linen.initializers has the others. All take HWIO or (in, out) kernels."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike

from jaxcnn.types import Array

he_normal_fan_out = nn.initializers.variance_scaling(2.0, "fan_out", "normal")
"""Normal of variance 2 / (kernel_height * kernel_width * features): keeps the size of the gradient on its way back
through ReLU nets (He et al. 2015, "Delving deep into rectifiers", section 2.2). Residual nets use it."""

torch_default = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
"""Uniform within 1 / sqrt(fan_in): what PyTorch's Conv2d and Linear start from, for numbers that depend on it."""


def lecun_1998(key: Array, shape: Sequence[int], dtype: DTypeLike = jnp.float32) -> Array:
    """Returns weights uniform within 2.4 / fan_in, (..., fan_in, features) (LeCun et al. 1998, appendix A, LeNet-5)."""
    bound = 2.4 / math.prod(shape[:-1])
    return jax.random.uniform(key, tuple(shape), dtype, -bound, bound)

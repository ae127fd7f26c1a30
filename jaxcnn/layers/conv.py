"""The convolution layer."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike

from jaxcnn.errors import UserError
from jaxcnn.ops.conv import Padding, add_bias, check_groups, conv
from jaxcnn.ops.window import pair
from jaxcnn.types import Array


class Conv(nn.Module):
    """Convolution with a learnt kernel: (batch, height, width, channels) -> (batch, out_height, out_width, features).

    Parameters, in `param_dtype`: `kernel` (kernel_height, kernel_width, channels / groups, features) and, with
    `use_bias`, `bias` (features,). The computation and the result are in `dtype`. The fields mean what the arguments of
    `jaxcnn.ops.conv.conv` mean, and raise what they raise.
    """

    features: int
    kernel_size: int | Sequence[int] = 3
    strides: int | Sequence[int] = 1
    padding: Padding = "same"
    fill: str = "zero"
    dilation: int | Sequence[int] = 1
    groups: int = 1
    use_bias: bool = True
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32
    kernel_init: jax.nn.initializers.Initializer = nn.initializers.he_normal()
    bias_init: jax.nn.initializers.Initializer = nn.initializers.zeros

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Returns the feature maps of x, in `dtype`."""
        if self.features < 1:
            raise UserError(f"a convolution makes at least 1 feature, got {self.features}")
        check_groups(x.shape[-1], self.features, self.groups)
        shape = (*pair(self.kernel_size), x.shape[-1] // self.groups, self.features)
        kernel = self.param("kernel", self.kernel_init, shape, self.param_dtype)
        y = conv(
            x.astype(self.dtype),
            kernel.astype(self.dtype),
            strides=self.strides,
            padding=self.padding,
            fill=self.fill,
            dilation=self.dilation,
            groups=self.groups,
        )
        if not self.use_bias:
            return y
        bias = self.param("bias", self.bias_init, (self.features,), self.param_dtype)
        return add_bias(y, bias.astype(self.dtype))

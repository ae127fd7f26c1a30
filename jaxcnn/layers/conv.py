"""The convolution layer."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike

from jaxcnn.errors import UserError
from jaxcnn.layers.init import he_normal
from jaxcnn.ops.conv import Padding, add_bias, check_groups, convolve, place, resolve_padding
from jaxcnn.ops.window import Pair, Slide, pair
from jaxcnn.types import Array


class Conv(nn.Module):
    """Convolution with a learnt kernel: (batch, height, width, channels) -> (batch, out_height, out_width, features).

    Parameters, in `param_dtype`: `kernel` (kernel_height, kernel_width, channels / groups, features) and, with
    `use_bias`, `bias` (features,). Computation and result are in `dtype`. Fields and errors are those of
    `jaxcnn.ops.conv.conv`.
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
    kernel_init: jax.nn.initializers.Initializer = he_normal
    bias_init: jax.nn.initializers.Initializer = nn.initializers.zeros

    def __call__(self, x: Array) -> Array:
        """Returns the feature maps of x, in `dtype`."""
        kernel, bias = self.weights(x.shape[-1])
        x, slide = place(
            x.astype(self.dtype),
            self.kernel_size,
            strides=self.strides,
            padding=self.padding,
            fill=self.fill,
            dilation=self.dilation,
        )
        y = self.convolve(x, kernel.astype(self.dtype), slide)
        return y if bias is None else self.add_bias(y, bias.astype(self.dtype))

    def convolve(self, x: Array, kernel: Array, slide: Slide) -> Array:
        """Returns `kernel` slid over x, see `jaxcnn.ops.conv.convolve`."""
        return convolve(x, kernel, slide, self.groups)

    def add_bias(self, x: Array, bias: Array) -> Array:
        """Returns x (..., features) plus `bias` (features,)."""
        return add_bias(x, bias)

    @nn.compact
    def weights(self, channels: int) -> tuple[Array, Array | None]:
        """Returns kernel and bias for an input with `channels`; the bias is None without `use_bias`."""
        if self.features < 1:
            raise UserError(f"a convolution makes at least 1 feature, got {self.features}")
        check_groups(channels, self.features, self.groups)
        shape = (*pair(self.kernel_size), channels // self.groups, self.features)
        kernel = self.param("kernel", self.kernel_init, shape, self.param_dtype)
        if not self.use_bias:
            return kernel, None
        return kernel, self.param("bias", self.bias_init, (self.features,), self.param_dtype)

    def projects(self, size: Pair) -> bool:
        """Returns whether the convolution is only a product of each pixel with one matrix, for images of this size."""
        plain = pair(self.kernel_size) == pair(self.strides) == (1, 1) and self.groups == 1 and not self.use_bias
        return plain and resolve_padding(self.padding, size, (1, 1)) == ((0, 0), (0, 0))

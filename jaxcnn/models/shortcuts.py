"""Shortcuts of residual blocks whose shape changes (He et al., arXiv:1512.03385, section 3.3)."""

import flax.linen as nn
import jax.numpy as jnp

from jaxcnn.layers.blocks import ConvNorm
from jaxcnn.types import Array, ModuleDef


class ProjectionShortcut(nn.Module):
    """The identity, or a 1x1 convolution with a norm if the shape changes (option B).

    If it has a stride, the convolution has `kernel_size`.
    """

    features: int
    strides: int
    conv: ModuleDef
    norm: ModuleDef
    kernel_size: int = 1

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Maps (batch, height, width, channels) to (batch, height / strides, width / strides, features)."""
        if self.strides == 1 and x.shape[-1] == self.features:
            return x
        size = self.kernel_size if self.strides > 1 else 1
        conv = self.conv(self.features, size, strides=self.strides, padding=size // 2, name="conv")
        return ConvNorm(conv, self.norm(name="norm"), name="conv_norm")(x)


class PadShortcut(nn.Module):
    """Subsampling, and zeros for the new features, half of them on each side (option A)."""

    features: int
    strides: int

    def __call__(self, x: Array) -> Array:
        """Maps (batch, height, width, channels) to (batch, height / strides, width / strides, features)."""
        new = self.features - x.shape[-1]
        return jnp.pad(x[:, :: self.strides, :: self.strides], [(0, 0), (0, 0), (0, 0), (new // 2, new - new // 2)])

"""Blocks that several families are made of."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn.layers.activation import Activation
from jaxcnn.ops.conv import Padding
from jaxcnn.ops.window import pair
from jaxcnn.types import Array, ModuleDef


class ConvNormAct(nn.Module):
    """A convolution, a norm, an activation, in this order; submodules `conv` and `norm`.

    Attributes:
        features: of the output.
        conv: makes the convolution; binds its initialisation and whether it has a bias.
        norm: makes the norm.
        act: the activation; None leaves it out.
        kernel_size: one number or (height, width).
        padding: None: half the kernel on each side, which keeps the size at stride 1 for odd kernels.
    """

    features: int
    conv: ModuleDef
    norm: ModuleDef
    act: Activation | None
    kernel_size: int | Sequence[int] = 3
    strides: int = 1
    padding: Padding | None = None
    groups: int = 1

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Maps (batch, height, width, channels) to (batch, out_height, out_width, features)."""
        half = [size // 2 for size in pair(self.kernel_size)]
        padding = half if self.padding is None else self.padding
        sizes = {"strides": self.strides, "padding": padding, "groups": self.groups}
        x = self.norm(name="norm")(self.conv(self.features, self.kernel_size, name="conv", **sizes)(x))
        return x if self.act is None else self.act(x)


class SqueezeExcite(nn.Module):
    """Scales each channel by a gate that sees the mean of every channel (Hu et al., arXiv:1709.01507, section 3).

    Attributes:
        features: of the layer between, the channels divided by the reduction ratio.
        act: after the first layer.
        gate: after the second: sigmoid in the paper, hard_sigmoid in MobileNet v3.
    """

    features: int
    act: Activation = jax.nn.relu
    gate: Activation = jax.nn.sigmoid
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Maps (batch, height, width, channels) to the same shape."""
        squeezed = jnp.mean(x, axis=(1, 2))
        hidden = self.act(nn.Dense(self.features, dtype=self.dtype, name="reduce")(squeezed))
        excited = self.gate(nn.Dense(x.shape[-1], dtype=self.dtype, name="expand")(hidden))
        return x * excited[:, None, None, :]


class DropPath(nn.Module):
    """Stochastic depth: drops an example's whole branch, scales the others up (Huang et al., arXiv:1603.09382).

    Attributes:
        rate: probability of dropping.
        deterministic: True in evaluation: nothing is dropped.
    """

    rate: float
    deterministic: bool

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Maps (batch, ...) to the same shape; draws from the rng `dropout`."""
        if self.deterministic or self.rate == 0.0:
            return x
        kept = jax.random.bernoulli(self.make_rng("dropout"), 1 - self.rate, (x.shape[0],) + (1,) * (x.ndim - 1))
        return jnp.where(kept, x / (1 - self.rate), jnp.zeros((), x.dtype))


def repeat(block: nn.Module, x: Array, times: int) -> Array:
    """Returns x after `times` blocks like `block`, each with weights of its own, in one loop that compiles one block.

    Their variables are stacked along a new leading axis. `block` maps an array to one of the same shape and dtype, and
    may use the collections `params` and `batch_stats` and the rng `dropout`.
    """

    def step(block: nn.Module, x: Array, _: None) -> tuple[Array, None]:
        return block(x), None

    loop = nn.scan(
        step,
        variable_axes={"params": 0, "batch_stats": 0},
        split_rngs={"params": True, "dropout": True},
        length=times,
    )
    return loop(block, x, None)[0]

"""Blocks of several families."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn.layers.activation import Activation
from jaxcnn.layers.init import lecun_normal
from jaxcnn.layers.pool import MaxPool
from jaxcnn.layers.variables import LOOP, SOWN, loop_of
from jaxcnn.ops.conv import Padding
from jaxcnn.ops.window import pair
from jaxcnn.types import Array, ModuleDef

STEM_POOL: ModuleDef = functools.partial(MaxPool, window=3, strides=2, padding=1)


class ConvNorm(nn.Module):
    """A convolution and the norm after it, as one module. Nothing else reads the value between them.

    Both are made outside, where they have their names and parameters. This module has none.
    """

    conv: nn.Module
    norm: nn.Module

    def __call__(self, x: Array) -> Array:
        """Returns norm(conv(x)), for x (batch, height, width, channels)."""
        conv, norm = self.conv, self.norm
        return norm(conv(x))


class ConvNormAct(nn.Module):
    """A convolution, a norm, an activation, in this order; submodules `conv` and `norm`.

    Attributes:
        features: of the output.
        conv: makes the convolution, with its initializer and with or without a bias.
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
    """Scales each channel by a gate, computed from the means of all channels (Hu et al., arXiv:1709.01507, section 3).

    Attributes:
        features: of the hidden layer: the channels divided by the reduction ratio.
        act: after the first layer.
        gate: after the second: sigmoid in the paper, hard_sigmoid in MobileNet v3.
        kernel_init: of both layers.
    """

    features: int
    act: Activation = jax.nn.relu
    gate: Activation = jax.nn.sigmoid
    dtype: jnp.dtype = jnp.float32
    kernel_init: nn.initializers.Initializer = lecun_normal

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Maps (batch, height, width, channels) to the same shape."""
        dense = functools.partial(nn.Dense, dtype=self.dtype, kernel_init=self.kernel_init)
        hidden = self.act(dense(self.features, name="reduce")(jnp.mean(x, axis=(1, 2))))
        excited = self.gate(dense(x.shape[-1], name="expand")(hidden))
        return x * excited[:, None, None, :]


class DropPath(nn.Module):
    """Stochastic depth: drops whole branches of examples, scales others up (Huang et al., arXiv:1603.09382).

    Attributes:
        rate: probability of dropping.
        deterministic: True in evaluation, where nothing is dropped.
    """

    rate: float
    deterministic: bool

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Maps (batch, ...) to the same shape; random numbers come from the rng `dropout`."""
        if self.deterministic or self.rate == 0.0:
            return x
        return drop_path(x, jax.random.uniform(self.make_rng("dropout"), x.shape[:1]), self.rate)


def drop_path(x: Array, uniform: Array, rate: float | Array) -> Array:
    """Returns x / (1 - rate), or 0 for the examples with a random number of at least 1 - rate.

    Args:
        x: (batch, ...), any float dtype.
        uniform: (batch,), uniform in [0, 1).
        rate: probability of dropping, in [0, 1), a number or () float32.
    """
    kept = (uniform < 1 - rate).reshape(-1, *(1 for _ in x.shape[1:]))
    return jnp.where(kept, x / jnp.asarray(1 - rate, x.dtype), jnp.zeros((), x.dtype))


def strided_stem(
    image: Array,
    features: int,
    conv: ModuleDef,
    norm: ModuleDef,
    act: Activation,
    *,
    small: bool,
    kernel_size: int = 7,
    pool: ModuleDef | None = STEM_POOL,
    pool_first: bool = False,
) -> Array:
    """Returns an image after a convolution of stride 2, a norm, an activation and pooling.

    Call it inside a compact method, where it makes the submodules `stem_conv`, `stem_norm` and `stem_pool`.

    Args:
        image: (batch, height, width, channels).
        features: of the output.
        conv: makes the convolution.
        norm: makes the norm.
        act: the activation.
        small: the convolution is 3x3 with stride 1, and there is no pooling.
        kernel_size: of the convolution, if not `small`.
        pool: makes the pooling; None leaves it out.
        pool_first: the pooling is before the norm.
    """
    size, strides = (3, 1) if small else (kernel_size, 2)
    x = conv(features, size, strides=strides, padding=size // 2, name="stem_conv")(image)
    if small or pool is None:
        return act(norm(name="stem_norm")(x))
    if pool_first:
        return act(norm(name="stem_norm")(pool(name="stem_pool")(x)))
    return pool(name="stem_pool")(act(norm(name="stem_norm")(x)))


def _call(block: nn.Module, x: Array, _: None) -> Array:
    return block(x)


def repeat(
    block: nn.Module, carry: Any, times: int, *, turn: Callable[[Any, Any, Any], Any] = _call, each: Array | None = None
) -> Any:
    """Returns x after `times` blocks like `block`, each with its own weights, in one loop that compiles one block.

    The variables of all collections, except sown ones, are stacked along a new leading axis.

    Args:
        block: maps an array to one of the same shape and dtype, unless there is a `turn`. Its name must be
            `stageN_rest`, by which `layers.variables.loop_of` recognises a loop.
        carry: x, or the arrays that `turn` takes and returns.
        times: number of blocks.
        turn: (block, carry, one of `each`) -> carry, of the same shapes and dtypes.
        each: (times, ...), an input for each turn.
    """
    if not loop_of([block.name or ""]):
        raise ValueError(f"a block that runs in a loop has a name that ends with {LOOP}, not {block.name}")

    def step(block: nn.Module, carry: Any, one: Array | None) -> tuple[Any, None]:
        return turn(block, carry, one), None

    loop = nn.scan(
        step,
        variable_axes={nn.DenyList(SOWN): 0},
        split_rngs={True: True},
        length=times,
    )
    return loop(block, carry, each)[0]

"""The cells of NASNet-A (Zoph et al., arXiv:1707.07012, figure 4), and the operations that they add up."""

import functools
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn.layers.activation import Activation
from jaxcnn.layers.blocks import drop_path
from jaxcnn.layers.init import he_normal
from jaxcnn.layers.pool import AvgPool, MaxPool
from jaxcnn.types import Array, ModuleDef

_HALVE: ModuleDef = functools.partial(MaxPool, window=3, strides=2, padding="same")
_PATHS = 9
"""Most operations of a cell that drop path can drop."""


class Separable(nn.Module):
    """Two times: activation, depthwise convolution, 1x1 convolution, norm.

    The first depthwise convolution has the stride.
    """

    features: int
    kernel_size: int
    strides: int
    conv: ModuleDef
    norm: ModuleDef
    act: Activation

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Maps (batch, height, width, channels) to (batch, height / strides, width / strides, features)."""
        # A kernel that sees one channel has a fan out equal to its fan in.
        depthwise = functools.partial(self.conv, use_bias=False, kernel_init=he_normal)
        for number, strides in ((1, self.strides), (2, 1)):
            channels = x.shape[-1]
            sizes = {"kernel_size": self.kernel_size, "strides": strides, "padding": "same", "groups": channels}
            x = depthwise(channels, name=f"depthwise{number}", **sizes)(self.act(x))
            x = self.conv(self.features, 1, padding=0, name=f"pointwise{number}")(x)
            x = self.norm(name=f"norm{number}")(x)
        return x


class Project(nn.Module):
    """Activation (None leaves it out), 1x1 convolution, norm.

    Attributes:
        halve: two convolutions of stride 2 take its place, the second on the map shifted by (1, 1).
    """

    features: int
    halve: bool
    conv: ModuleDef
    norm: ModuleDef
    act: Activation | None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Maps (batch, height, width, channels) to (batch, height, width, features), or half of that size."""
        x = x if self.act is None else self.act(x)
        if not self.halve:
            return self.norm(name="norm")(self.conv(self.features, 1, padding=0, name="conv")(x))
        shifted = jnp.pad(x, [(0, 0), (0, 1), (0, 1), (0, 0)])[:, 1:, 1:]
        half = self.features // 2
        paths = [
            self.conv(half, 1, strides=2, padding=0, name="path1")(x),
            self.conv(self.features - half, 1, strides=2, padding=0, name="path2")(shifted),
        ]
        return self.norm(name="norm")(jnp.concatenate(paths, axis=-1))


class Cell(nn.Module):
    """A normal or a reduction cell of NASNet-A (figure 4).

    Attributes:
        features: of each operation.
        reduction: which of the two.
        halve: `left` is twice as large as `right`.
        count_padding: average pooling of stride 2 counts padded cells.
    """

    features: int
    reduction: bool
    halve: bool
    conv: ModuleDef
    norm: ModuleDef
    act: Activation
    count_padding: bool = False

    @nn.compact
    def __call__(self, x: Array, before: Array | None, drop_path_rate: float | Array = 0.0) -> Array:
        """Maps (batch, height, width, channels) to 6 times `features`, or half the size and 4 times `features`.

        Args:
            x: the output of the cell before.
            before: the output of the cell before that one, or None.
            drop_path_rate: after each operation except the identity; 0.0 in evaluation.
        """
        left, right = x, self._project(x, "fit_right", act=self.act)
        if before is not None:
            left = self._fitted(before, "fit_left", halve=self.halve, act=self.act)
        drop = self._drop(x.shape[0], drop_path_rate)
        return self._reduce(left, right, drop) if self.reduction else self._keep(left, right, drop)

    def _keep(self, left: Array, right: Array, drop: Callable[[Array], Array]) -> Array:
        sums = [
            drop(self._separable(right, 5, "pair1_left")) + drop(self._separable(left, 3, "pair1_right")),
            drop(self._separable(left, 5, "pair2_left")) + drop(self._separable(left, 3, "pair2_right")),
            drop(self._average(right, "pair3_left")) + self._fitted(left, "pair3_right", act=self.act),
            drop(self._average(left, "pair4_left")) + drop(self._average(left, "pair4_right")),
            drop(self._separable(right, 3, "pair5_left")) + right,
        ]
        return jnp.concatenate([self._fitted(left, "join_left"), *sums], axis=-1)

    def _reduce(self, left: Array, right: Array, drop: Callable[[Array], Array]) -> Array:
        first = drop(self._separable(right, 5, "pair1_left", 2)) + drop(self._separable(left, 7, "pair1_right", 2))
        second = drop(_HALVE(name="pair2_pool")(right)) + drop(self._separable(left, 7, "pair2_right", 2))
        third = drop(self._average(right, "pair3_left", 2)) + drop(self._separable(left, 5, "pair3_right", 2))
        fourth = second + drop(self._average(first, "pair4_right"))
        fifth = drop(self._separable(first, 3, "pair5_left")) + drop(_HALVE(name="pair5_pool")(right))
        return jnp.concatenate([second, third, fourth, fifth], axis=-1)

    def _drop(self, examples: int, rate: float | Array) -> Callable[[Array], Array]:
        """Returns a function that applies drop path, with other random numbers at each call.

        All are drawn at once, since compiling a draw for each takes long.
        """
        if isinstance(rate, float) and rate == 0.0:
            return lambda path: path
        uniform = iter(jax.random.uniform(self.make_rng("dropout"), (_PATHS, examples)))
        return lambda path: drop_path(path, next(uniform), rate)

    def _separable(self, x: Array, size: int, name: str, strides: int = 1) -> Array:
        """Returns the output of a separable convolution.

        Args:
            x: (batch, height, width, channels).
            size: of the kernel.
            name: of the module.
            strides: of its first half.
        """
        return Separable(self.features, size, strides, self.conv, self.norm, self.act, name=name)(x)

    def _average(self, x: Array, name: str, strides: int = 1) -> Array:
        count = self.count_padding and strides > 1
        pool = AvgPool(3, strides=strides, padding="same", count_padding=count, name=f"{name}_pool")
        return self._fitted(pool(x), name)

    def _fitted(self, x: Array, name: str, *, halve: bool = False, act: Activation | None = None) -> Array:
        """Returns x with the cell's features and size; x itself if it has them.

        Args:
            x: (batch, height, width, channels).
            name: of the module.
            halve: whether height and width are halved.
            act: activation before it, if any.
        """
        return self._project(x, name, halve=halve, act=act) if halve or x.shape[-1] != self.features else x

    def _project(self, x: Array, name: str, *, halve: bool = False, act: Activation | None = None) -> Array:
        """Returns x with the cell's features; arguments as of `_fitted`."""
        return Project(self.features, halve, self.conv, self.norm, act, name=name)(x)

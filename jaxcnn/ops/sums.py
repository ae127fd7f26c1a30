"""Sums over images that leave the channels, and what is made of them.

XLA on a CPU sums over all but the last axis in one thread and without vectors, three to five times slower than here.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from jaxcnn.ops.platform import on_cpu
from jaxcnn.types import Array


def sum_over(x: Array, axes: Sequence[int]) -> Array:
    """Returns the sums of x over `axes`, which stay as axes of length 1."""
    axes = tuple(axes)
    if not leaves_channels(axes, x.ndim):
        return _sum(x, axes)
    return on_cpu(_staged_sum, _sum, x, axes=axes)


def leaves_channels(axes: Sequence[int], ndim: int) -> bool:
    """Returns whether `axes` are several that stand side by side, and behind them only the last one."""
    return len(axes) > 1 and tuple(axes) == tuple(range(ndim - 1 - len(axes), ndim - 1))


def _sum(x: Array, axes: tuple[int, ...]) -> Array:
    return jnp.sum(x, axis=axes, keepdims=True)


def _staged_sum(x: Array, axes: tuple[int, ...]) -> Array:
    """Returns `_sum`: over the first of the axes along with whatever makes x, then the rest as a matrix product."""
    first, *rest = axes
    partial = lax.optimization_barrier(jnp.sum(x, axis=first))
    kept = x.shape[:first]
    cells = math.prod(x.shape[axis] for axis in rest)
    ones = jnp.ones((*kept, 1, cells), x.dtype)
    return (ones @ partial.reshape(*kept, cells, x.shape[-1])).reshape(*kept, *(1 for _ in axes), x.shape[-1])


@jax.custom_vjp
def scale_and_shift(x: Array, origin: Array, factor: Array, shift: Array) -> Array:
    """Returns (x - origin) * factor + shift, with gradients that `sum_over` makes. Differentiable in reverse mode only.

    Args:
        x: any shape, float32 or float64.
        origin: of x's rank and dtype, length 1 where x is summed over (see `leaves_channels`), else x's length.
        factor: of the origin's shape.
        shift: likewise.
    """
    return (x - origin) * factor + shift


def _scale_and_shift_forward(x: Array, origin: Array, factor: Array, shift: Array) -> tuple[Array, tuple[Array, ...]]:
    return scale_and_shift(x, origin, factor, shift), (x, origin, factor)


def _scale_and_shift_backward(kept: tuple[Array, ...], g: Array) -> tuple[Array, Array, Array, Array]:
    x, origin, factor = kept
    axes = summed_axes(x, origin)
    total = sum_over(g, axes)
    return g * factor, -factor * total, sum_over(g * (x - origin), axes), total


scale_and_shift.defvjp(_scale_and_shift_forward, _scale_and_shift_backward)


def summed_axes(x: Array, part: Array) -> tuple[int, ...]:
    """Returns the axes along which `part`, of x's rank, is repeated."""
    return tuple(axis for axis in range(x.ndim) if part.shape[axis] != x.shape[axis])


def add_bias(x: Array, bias: Array) -> Array:
    """Returns x (..., channels) plus `bias` (channels,), of its dtype."""
    if x.ndim < 3:
        return x + bias.reshape(1, -1)
    return on_cpu(_add_bias, _plus, x, bias)


def _plus(x: Array, bias: Array) -> Array:
    return x + bias.reshape((1,) * (x.ndim - 1) + bias.shape)


@jax.custom_vjp
def _add_bias(x: Array, bias: Array) -> Array:
    return _plus(x, bias)


def _add_bias_forward(x: Array, bias: Array) -> tuple[Array, None]:
    return _plus(x, bias), None


def _add_bias_backward(_: None, g: Array) -> tuple[Array, Array]:
    return g, sum_over(g, range(g.ndim - 1)).reshape(-1)


_add_bias.defvjp(_add_bias_forward, _add_bias_backward)

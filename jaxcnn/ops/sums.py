"""Sums over images that leave the channels, and what is made of them.

XLA on a CPU sums over all but the last axis in one thread and without vectors, three to five times slower than here.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxcnn.ops.platform import on_cpu
from jaxcnn.types import Array


def sum_over(x: Array, axes: Sequence[int]) -> Array:
    """Returns the sums of x over `axes`, which stay as axes of length 1. Differentiable as `sums_over`."""
    return sums_over((x,), axes)[0]


def sums_over(arrays: Sequence[Array], axes: Sequence[int]) -> tuple[Array, ...]:
    """Returns for each of several arrays, of one shape and dtype, its sums over `axes`, which stay as axes of length 1.

    What several are made of is read once. On a CPU, where `axes` leave the channels, differentiable in reverse mode
    only, but in `jaxcnn.runtime.canonical_forms()`.
    """
    axes = tuple(axes)
    if not leaves_channels(axes, arrays[0].ndim):
        return plain_sums(*arrays, axes=axes)
    return on_cpu(_staged_sums, plain_sums, *arrays, axes=axes)


def leaves_channels(axes: Sequence[int], ndim: int) -> bool:
    """Returns whether `axes` are several that stand side by side, and behind them only the last one."""
    return len(axes) > 1 and tuple(axes) == tuple(range(ndim - 1 - len(axes), ndim - 1))


def plain_sums(*arrays: Array, axes: tuple[int, ...]) -> tuple[Array, ...]:
    """Returns what `sums_over` does, as XLA has it."""
    return tuple(jnp.sum(x, axis=axes, keepdims=True) for x in arrays)


def _staged_sums(*arrays: Array, axes: tuple[int, ...]) -> tuple[Array, ...]:
    return _staged(axes, arrays[0].shape, arrays)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _staged(axes: tuple[int, ...], shape: tuple[int, ...], arrays: tuple[Array, ...]) -> tuple[Array, ...]:
    """Returns `plain_sums` of arrays of this shape.

    Over the first axis, in runs, then over the others by a matrix product. The sums of the runs of all arrays are one
    loop, along with whatever makes the arrays.
    """
    first, kept, channels = axes[0], shape[: axes[0]], shape[-1]
    run = _run(shape[first])
    sums = [x.reshape(*kept, shape[first] // run, run, *shape[first + 1 :]) for x in arrays]
    zeros = [np.zeros((), x.dtype) for x in arrays]
    sums = lax.optimization_barrier(lax.reduce(sums, zeros, _plus_each, (first + 1,)))
    cells = math.prod(shape[axis] for axis in axes) // run
    ones = jnp.ones((*kept, 1, cells), arrays[0].dtype)
    ends = (*kept, *(1 for _ in axes), channels)
    return tuple((ones @ part.reshape(*kept, cells, channels)).reshape(ends) for part in sums)


def _run(length: int) -> int:
    """Returns how many along an axis of this length are summed one after the other: a divisor from 4 to 16, or all.

    Of more than 32, XLA stores what is to be summed and goes about it in a way of its own; so there 2 and 3 will do.
    """
    least = 4 if length <= 32 else 2
    return next((run for run in range(16, least - 1, -1) if length % run == 0), length)


def _plus_each(left: Sequence[Array], right: Sequence[Array]) -> list[Array]:
    return [one + other for one, other in zip(left, right, strict=True)]


def _staged_forward(
    axes: tuple[int, ...], shape: tuple[int, ...], arrays: tuple[Array, ...]
) -> tuple[tuple[Array, ...], None]:
    return _staged(axes, shape, arrays), None


def _staged_backward(_: tuple[int, ...], shape: tuple[int, ...], __: None, g: tuple[Array, ...]) -> tuple[Any]:
    return (tuple(jnp.broadcast_to(part, shape) for part in g),)


_staged.defvjp(_staged_forward, _staged_backward)


@jax.custom_vjp
def scale_and_shift(x: Array, origin: Array, factor: Array, shift: Array) -> Array:
    """Returns (x - origin) * factor + shift, with gradients by `sums_over`. Differentiable in reverse mode only.

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
    total, product = sums_over((g, g * (x - origin)), axes)
    return g * factor, -factor * total, product, total


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

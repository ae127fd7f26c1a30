"""Sums of each channel over examples and pixels, and operations with such sums in their gradients.

XLA on a CPU computes a sum over all axes but the last in one thread and without vector instructions, which takes three
to five times as long as here.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxcnn.accel.form import shared
from jaxcnn.ops.conv import add_bias
from jaxcnn.ops.norm import affine, sums
from jaxcnn.types import Array


def sums_over(*arrays: Array, axes: Sequence[int]) -> tuple[Array, ...]:
    """Returns the result of `jaxcnn.ops.norm.sums`. The operands of all arrays are read once.

    If `leaves_channels(axes)`, it is differentiable in reverse mode only.
    """
    axes = tuple(axes)
    if not leaves_channels(axes, arrays[0].ndim):
        return sums(*arrays, axes=axes)
    return shared(_staged_sums, *arrays, axes=axes)


def leaves_channels(axes: Sequence[int], ndim: int) -> bool:
    """Returns whether `axes` are two or more consecutive axes, up to the last but one."""
    return len(axes) > 1 and tuple(axes) == tuple(range(ndim - 1 - len(axes), ndim - 1))


def _staged_sums(*arrays: Array, axes: tuple[int, ...]) -> tuple[Array, ...]:
    return _staged(axes, arrays[0].shape, arrays)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _staged(axes: tuple[int, ...], shape: tuple[int, ...], arrays: tuple[Array, ...]) -> tuple[Array, ...]:
    """Returns `sums` of arrays of this shape.

    It first sums runs of the first axis, for all arrays in one loop, into which XLA fuses the operations that make the
    arrays. A matrix product then sums the rest.
    """
    first, kept, channels = axes[0], shape[: axes[0]], shape[-1]
    run = _run(shape[first])
    runs = [x.reshape(*kept, shape[first] // run, run, *shape[first + 1 :]) for x in arrays]
    zeros = [np.zeros((), x.dtype) for x in arrays]
    parts = lax.optimization_barrier(lax.reduce(runs, zeros, _plus_each, (first + 1,)))
    cells = math.prod(shape[axis] for axis in axes) // run
    ones = jnp.ones((*kept, 1, cells), arrays[0].dtype)
    ends = (*kept, *(1 for _ in axes), channels)
    return tuple((ones @ part.reshape(*kept, cells, channels)).reshape(ends) for part in parts)


def _run(length: int) -> int:
    """Returns the length of the runs for an axis of this length: its largest divisor from 4 to 16, or all of it.

    For an axis longer than 32, XLA would not fuse the sum, and would store its operand. Runs of 2 and 3 are therefore
    used there, too.
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


def scale_and_shift(x: Array, origin: Array, factor: Array, shift: Array) -> Array:
    """Returns (x - origin) * factor + shift, with gradients by `sums_over` if the sums leave the channels.

    It is then differentiable in reverse mode only.

    Args:
        x: any shape, float32 or float64.
        origin: of x's rank and dtype; each axis has x's length or 1.
        factor: likewise.
        shift: likewise.
    """
    if origin.shape != factor.shape or not leaves_channels(summed_axes(x, origin), x.ndim):
        return affine(x, origin, factor, shift)
    return shared(_by_sums, x, origin, factor, jnp.broadcast_to(shift, origin.shape))


@jax.custom_vjp
def _by_sums(x: Array, origin: Array, factor: Array, shift: Array) -> Array:
    """Returns the result of `affine`, with gradients by `sums_over`; origin, factor and shift have equal shapes."""
    return affine(x, origin, factor, shift)


def _scale_and_shift_forward(x: Array, origin: Array, factor: Array, shift: Array) -> tuple[Array, tuple[Array, ...]]:
    return _by_sums(x, origin, factor, shift), (x, origin, factor)


def _scale_and_shift_backward(kept: tuple[Array, ...], g: Array) -> tuple[Array, Array, Array, Array]:
    x, origin, factor = kept
    axes = summed_axes(x, origin)
    total, product = sums_over(g, g * (x - origin), axes=axes)
    return g * factor, -factor * total, product, total


_by_sums.defvjp(_scale_and_shift_forward, _scale_and_shift_backward)


def summed_axes(x: Array, part: Array) -> tuple[int, ...]:
    """Returns the axes along which `part`, of x's rank, is broadcast."""
    return tuple(axis for axis in range(x.ndim) if part.shape[axis] != x.shape[axis])


def add_bias_by_sums(x: Array, bias: Array) -> Array:
    """Returns x (..., channels) plus `bias` (channels,), of its dtype. Differentiable in reverse mode only."""
    return shared(_add_bias, x, bias)


@jax.custom_vjp
def _add_bias(x: Array, bias: Array) -> Array:
    return add_bias(x, bias)


def _add_bias_forward(x: Array, bias: Array) -> tuple[Array, None]:
    return add_bias(x, bias), None


def _add_bias_backward(_: None, g: Array) -> tuple[Array, Array]:
    (total,) = sums_over(g, axes=range(g.ndim - 1))
    return g, total.reshape(-1)


_add_bias.defvjp(_add_bias_forward, _add_bias_backward)

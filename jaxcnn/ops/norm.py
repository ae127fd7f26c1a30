"""Statistics, and normalisation by them."""

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jax import lax

from jaxcnn.types import Array

Average: TypeAlias = Callable[[Array], Array]
"""Averages a mean over devices, which have equally large parts of an array."""


def _widen(x: Array) -> Array:
    """Returns x in float32, or float64 if it is, for computing statistics."""
    return x.astype(jnp.float64 if x.dtype == jnp.float64 else jnp.float32)


def itself(mean: Array) -> Array:
    """Returns `mean`: the `Average` for a single device."""
    return mean


def sums(*arrays: Array, axes: Sequence[int]) -> tuple[Array, ...]:
    """Returns the sums of each array over `axes`, which remain with length 1. Arrays have one shape and dtype."""
    return tuple(jnp.sum(x, axis=tuple(axes), keepdims=True) for x in arrays)


def moments(
    x: Array,
    axes: int | Sequence[int],
    across: Average = itself,
    sum_up: Callable[..., tuple[Array, ...]] = sums,
) -> tuple[Array, Array]:
    """Returns the mean and the biased variance of x over `axes`, which remain with length 1.

    It takes two passes; the second sums distances to the mean of the first. That is more precise than E[x^2] - E[x]^2,
    and corrects the rounding error of a mean over many large values (Chan, Golub and LeVeque 1983, "Algorithms for
    computing the sample variance", equation 1.7). The first mean is only an origin: no gradient flows through it.

    For bfloat16 it takes one pass, E[x^2] - E[x]^2, which reads x once less and can be fused with the operation that
    makes x. The rounding error of the variance is d * 2^-24 of the squared mean, where d is the number of sums that a
    value goes through one after the other, a few in XLA. This does no harm. If the mean is not many deviations, the
    error is negligible. If it is, the rounding of x to bfloat16 loses more: up to 2^-8 of the mean for a value, and
    2^-16 of its square for the variance.

    Args:
        x: any shape and float dtype.
        axes: to average over.
        across: averages a mean over devices with other parts of x.
        sum_up: `sums`, or an equal function.

    Returns:
        mean and variance, float32 (float64 for a float64 x).
    """
    axes = (axes,) if isinstance(axes, int) else tuple(axes)
    cells = float(math.prod(x.shape[axis] for axis in axes))  # jax takes no integer of 2^31 or more
    wide = _widen(x)

    def mean(total: Array) -> Array:
        return across(total / cells)

    if x.dtype == jnp.bfloat16:
        average, square = map(mean, sum_up(wide, jnp.square(wide), axes=axes))
        return average, at_least_zero(square - jnp.square(average))
    (total,) = sum_up(wide, axes=axes)
    origin = lax.stop_gradient(mean(total))
    distance = wide - origin
    rest, square = map(mean, sum_up(distance, jnp.square(distance), axes=axes))
    return origin + rest, at_least_zero(square - jnp.square(rest))


def at_least_zero(variance: Array) -> Array:
    """Returns the variance, or 0 if rounding made it negative.

    (`jnp.maximum` would have a division in its gradient.)
    """
    return jnp.where(variance < 0, 0.0, variance)


@jax.custom_jvp
def inverse_root(x: Array) -> Array:
    """Returns x ** -0.5, with a gradient that has only products; the gradient of `lax.rsqrt` has a division."""
    return lax.rsqrt(x)


@inverse_root.defjvp
def _inverse_root_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    root = inverse_root(*primals)
    return root, -0.5 * root * root * root * tangents[0]


def affine(x: Array, origin: Array, factor: Array, shift: Array) -> Array:
    """Returns (x - origin) * factor + shift. All have x's rank and dtype; each axis has x's length or 1.

    Args:
        x: any shape and float dtype.
        origin: of x's rank and dtype; each axis has x's length or 1.
        factor: likewise.
        shift: likewise.
    """
    return (x - origin) * factor + shift


def normalize(
    x: Array,
    mean: Array,
    variance: Array,
    scale: Array,
    bias: Array,
    epsilon: float,
    scale_and_shift: Callable[..., Array] = affine,
) -> Array:
    """Returns (x - mean) / sqrt(variance + epsilon) * scale + bias, in float32 at least (Ioffe and Szegedy 2015).

    Args:
        x: any shape and float dtype.
        mean: of x's rank, each axis of x's length or 1; likewise `variance`.
        variance: the biased one in training.
        scale: of the shape of x's last axes, usually (channels,); likewise `bias`.
        bias: added last.
        epsilon: added to the variance, not to its root.
        scale_and_shift: `affine`, or an equal function.

    Returns:
        x's shape and dtype.
    """
    wide = _widen(x)
    shape = (1,) * (x.ndim - scale.ndim) + scale.shape
    mean, variance, scale, bias = (value.astype(wide.dtype) for value in (mean, variance, scale, bias))
    factor = inverse_root(variance + epsilon) * scale.reshape(shape)
    return scale_and_shift(wide, mean, factor, bias.reshape(shape)).astype(x.dtype)


def local_response_norm(x: Array, *, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0) -> Array:
    """Returns x divided by (k + alpha * sum of the squares of `size` neighbouring channels) ** beta.

    Krizhevsky, Sutskever and Hinton 2012, section 3.3, with their constants. PyTorch and Caffe divide alpha by `size`:
    their alpha is `size` times this one.

    Args:
        x: (..., channels), any float dtype.
        size: channels in the window, whose middle is the channel itself; an even window has one channel more below.
        alpha: weight of the sum.
        beta: exponent.
        k: offset.

    Returns:
        x's shape and dtype.
    """
    wide = _widen(x)
    channels = x.shape[-1]
    around = ((0, 0),) * (x.ndim - 1) + ((size // 2, (size - 1) // 2),)
    squares = jnp.pad(jnp.square(wide), around)
    total = sum(lax.slice_in_dim(squares, start, start + channels, axis=-1) for start in range(size))
    return (wide * jnp.power(k + alpha * total, -beta)).astype(x.dtype)

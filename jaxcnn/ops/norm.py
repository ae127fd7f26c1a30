"""Statistics, and the normalisations made of them."""

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jax import lax

from jaxcnn.types import Array

Average: TypeAlias = Callable[[Array], Array]
"""Averages a mean over an array's like-shaped parts on other devices."""


def _widen(x: Array) -> Array:
    """Returns x in float32, or in float64 where it is that: what statistics are computed in."""
    return x.astype(jnp.float64 if x.dtype == jnp.float64 else jnp.float32)


def itself(mean: Array) -> Array:
    """Returns a mean that no other device has a part of."""
    return mean


def sums(*arrays: Array, axes: Sequence[int]) -> tuple[Array, ...]:
    """Returns for each of several arrays, of one shape and dtype, its sums over `axes`, which stay of length 1."""
    return tuple(jnp.sum(x, axis=tuple(axes), keepdims=True) for x in arrays)


def moments(
    x: Array,
    axes: int | Sequence[int],
    across: Average = itself,
    sum_up: Callable[..., tuple[Array, ...]] = sums,
) -> tuple[Array, Array]:
    """Returns the mean and the biased variance of x over `axes`, which stay as axes of length 1.

    Two passes: the second sums the distances to the first one's mean. That keeps digits which E[x^2] - E[x]^2 loses,
    and removes what rounding left in a mean over many large values (Chan, Golub and LeVeque 1983, "Algorithms for
    computing the sample variance", equation 1.7). The first mean is only an origin: no gradient flows through it.

    One pass, E[x^2] - E[x]^2, for bfloat16, which reads x once less and may be made along with it. The variance
    rounds by d * 2^-24 of the mean's square, d being how many sums a value goes through one after the other, a few in
    XLA's own sums. That does no harm: where the mean is not many deviations it is nothing, and where it is, x itself
    has lost more. Rounded to bfloat16, a value is off by up to 2^-8 of the mean, the variance by 2^-16 of its square.

    Args:
        x: any shape and float dtype.
        axes: to average over.
        across: averages a mean over x's like-shaped parts on other devices.
        sum_up: `sums`, or what is equal to it.

    Returns:
        mean and variance, float32 (float64 for a float64 x).
    """
    axes = (axes,) if isinstance(axes, int) else tuple(axes)
    cells = float(math.prod(x.shape[axis] for axis in axes))  # jax takes no whole number from 2^31 on
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
    """Returns what rounding has left of a variance; the gradient of `jnp.maximum` divides."""
    return jnp.where(variance < 0, 0.0, variance)


@jax.custom_jvp
def inverse_root(x: Array) -> Array:
    """Returns x ** -0.5, with a gradient of products alone, where that of `lax.rsqrt` divides."""
    return lax.rsqrt(x)


@inverse_root.defjvp
def _inverse_root_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    root = inverse_root(*primals)
    return root, -0.5 * root * root * root * tangents[0]


def affine(x: Array, origin: Array, factor: Array, shift: Array) -> Array:
    """Returns (x - origin) * factor + shift; all of x's rank and dtype, along each axis of its length or 1."""
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
        scale: of the shape of x's last axes, mostly (channels,); likewise `bias`.
        bias: added last.
        epsilon: added to the variance, not to its root.
        scale_and_shift: `affine`, or what is equal to it.

    Returns:
        x's shape and dtype.
    """
    wide = _widen(x)
    shape = (1,) * (x.ndim - scale.ndim) + scale.shape
    mean, variance, scale, bias = (value.astype(wide.dtype) for value in (mean, variance, scale, bias))
    factor = inverse_root(variance + epsilon) * scale.reshape(shape)
    return scale_and_shift(wide, mean, factor, bias.reshape(shape)).astype(x.dtype)


def local_response_norm(x: Array, *, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0) -> Array:
    """Divides each value by (k + alpha * sum of the squares of `size` neighbouring channels) ** beta.

    Krizhevsky, Sutskever and Hinton 2012, section 3.3, with their constants. PyTorch and Caffe divide alpha by `size`:
    their alpha is `size` times this one.

    Args:
        x: (..., channels), any float dtype.
        size: channels in the window, itself in the middle; an even one reaches further down than up.
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

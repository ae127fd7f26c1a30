"""Statistics, and the normalisations made of them."""

import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax import lax

from jaxcnn.ops.platform import on_cpu
from jaxcnn.ops.sums import leaves_channels, plain_sums, scale_and_shift, sum_over, summed_axes, sums_over
from jaxcnn.types import Array


def _widen(x: Array) -> Array:
    """Returns x in float32, or in float64 where it is that: what statistics are computed in."""
    return x.astype(jnp.float64 if x.dtype == jnp.float64 else jnp.float32)


def _same(mean: Array) -> Array:
    return mean


def moments(x: Array, axes: int | Sequence[int], across: Callable[[Array], Array] = _same) -> tuple[Array, Array]:
    """Returns the mean and the biased variance of x over `axes`, which stay as axes of length 1.

    Two passes: the second sums the distances to the first one's mean. That keeps digits which E[x^2] - E[x]^2 loses,
    and removes what rounding left in a mean over many large values (Chan, Golub and LeVeque 1983, "Algorithms for
    computing the sample variance", equation 1.7). The first mean is only an origin: no gradient flows through it.

    One pass, E[x^2] - E[x]^2, for bfloat16; XLA on a TPU makes it along with x, which is read once less. The variance
    rounds by d * 2^-24 of the mean's square, d being how many sums a value goes through one after the other, a few in
    XLA's own sums. That does no harm: where the mean is not many deviations it is nothing, and where it is, x itself
    has lost more. Rounded to bfloat16, a value is off by up to 2^-8 of the mean, the variance by 2^-16 of its square.

    For other dtypes, where `sums_over` is, differentiable in reverse mode only.

    Args:
        x: any shape and float dtype.
        axes: to average over.
        across: averages a mean over x's like-shaped parts on other devices.

    Returns:
        mean and variance, float32 (float64 for a float64 x).
    """
    axes = (axes,) if isinstance(axes, int) else tuple(axes)
    cells = float(math.prod(x.shape[axis] for axis in axes))  # jax takes no whole number from 2^31 on
    wide = _widen(x)

    def mean(total: Array) -> Array:
        return across(total / cells)

    if x.dtype == jnp.bfloat16:
        average, square = map(mean, plain_sums(wide, jnp.square(wide), axes=axes))
        return average, at_least_zero(square - jnp.square(average))
    origin = lax.stop_gradient(mean(sum_over(wide, axes)))
    distance = wide - origin
    rest, square = map(mean, sums_over((distance, jnp.square(distance)), axes))
    return origin + rest, at_least_zero(square - jnp.square(rest))


def at_least_zero(variance: Array) -> Array:
    """Returns what rounding has left of a variance; the gradient of `jnp.maximum` divides."""
    return jnp.where(variance < 0, 0.0, variance)


@jax.custom_jvp
def inverse_root(x: Array) -> Array:
    """Returns x ** -0.5, with a gradient of products: XLA for CPUs makes a division, as `lax.rsqrt` has, a kernel."""
    return lax.rsqrt(x)


@inverse_root.defjvp
def _inverse_root_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    root = inverse_root(*primals)
    return root, -0.5 * root * root * root * tangents[0]


def normalize(x: Array, mean: Array, variance: Array, scale: Array, bias: Array, epsilon: float) -> Array:
    """Returns (x - mean) / sqrt(variance + epsilon) * scale + bias, in float32 at least (Ioffe and Szegedy 2015).

    On a CPU differentiable in reverse mode only, but in `jaxcnn.runtime.canonical_forms()`.

    Args:
        x: any shape and float dtype.
        mean: of x's rank, each axis of x's length or 1; likewise `variance`.
        variance: the biased one in training.
        scale: of the shape of x's last axes, mostly (channels,); likewise `bias`.
        bias: added last.
        epsilon: added to the variance, not to its root.

    Returns:
        x's shape and dtype.
    """
    wide = _widen(x)
    shape = (1,) * (x.ndim - scale.ndim) + scale.shape
    mean, variance, scale, bias = (value.astype(wide.dtype) for value in (mean, variance, scale, bias))
    factor = inverse_root(variance + epsilon) * scale.reshape(shape)
    shift = bias.reshape(shape)
    if mean.shape != factor.shape or not leaves_channels(summed_axes(wide, mean), x.ndim):
        return _scale_and_shift(wide, mean, factor, shift).astype(x.dtype)
    operands = wide, mean, factor, jnp.broadcast_to(shift, mean.shape)
    return on_cpu(scale_and_shift, _scale_and_shift, *operands).astype(x.dtype)


def _scale_and_shift(x: Array, origin: Array, factor: Array, shift: Array) -> Array:
    return (x - origin) * factor + shift


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

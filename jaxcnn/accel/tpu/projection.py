"""A 1x1 convolution and the batch norm behind it, as one: what lies between them need not be stored.

Both are linear for given statistics, and the statistics of what a linear map makes follow from the mean and the
covariance of what it is given: with kernel K, mean m and covariance C, they are K'm and the diagonal of K'CK. So the
norm is folded into the kernel before the product, as is usual only for inference, and its result is what is written.
The gradient needs the product as little: the sum that gives the scale's gradient is a sum over the kernel's.

That pays where the product is wider than what goes in, as at the end of a bottleneck block (He et al.,
arXiv:1512.03385, figure 5), and where memory is what a step waits for.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike

from jaxcnn.ops.conv import conv
from jaxcnn.ops.norm import Average, at_least_zero, inverse_root
from jaxcnn.types import Array

WIDENS = 2
"""Features for each channel from which on it pays: the covariance costs as much as a product with so many features."""
_EXACT = lax.Precision.HIGHEST
"""A TPU otherwise rounds the factors of a float32 product to bfloat16."""


def pays(dtype: DTypeLike, channels: int, features: int) -> bool:
    """Returns whether `normalized_projection` is faster than a product and a norm: of bfloat16, where it widens."""
    return jnp.dtype(dtype) == jnp.bfloat16 and features >= WIDENS * channels


def normalized_projection(
    x: Array, kernel: Array, scale: Array, bias: Array, *, epsilon: float, across: Average
) -> tuple[Array, Array, Array]:
    """Returns x @ kernel, normalised by its own statistics over examples, height and width, and these statistics.

    The kernel is rounded once, with the norm in it, where a product and a norm round kernel and product. Differentiable
    in reverse mode only.

    Args:
        x: (batch, height, width, channels), any float dtype.
        kernel: (channels, features), float32, or float64 as x.
        scale: (features,), float32.
        bias: likewise.
        epsilon: added to the variance.
        across: averages a mean over x's like-shaped parts on other devices; hashable.

    Returns:
        (batch, height, width, features) of x's dtype, and mean and biased variance, (features,), float32 at least.
    """
    product = functools.partial(jnp.dot, precision=_EXACT)
    origin = across(jnp.mean(x, axis=(0, 1, 2), dtype=kernel.dtype))
    spread = across(covariance(x, origin))
    mean, variance = product(origin, kernel), jnp.sum(kernel * product(spread, kernel), axis=0)
    variance = at_least_zero(variance)
    weights = (kernel * (inverse_root(variance + epsilon) * scale).reshape(1, -1)).astype(x.dtype)
    shift = bias - product(origin, weights.astype(kernel.dtype))
    y = conv(x, weights[None, None], padding=0).astype(kernel.dtype) + shift.reshape(1, 1, 1, -1)
    return y.astype(x.dtype), mean, variance


@jax.custom_vjp
def covariance(x: Array, mean: Array) -> Array:
    """Returns the biased covariance (channels, channels) of x's channels over all else, in the dtype of `mean`.

    Distances to the mean are rounded to x's dtype; their products, of bfloat16, are exact in float32. The mean is an
    origin: no gradient flows to it. Differentiable in reverse mode only.

    Args:
        x: (batch, height, width, channels), any float dtype.
        mean: (channels,), of x over all else, or of x and its like on other devices, whose covariances are then to be
            averaged.
    """
    distance = _distance(x, mean)
    total = jnp.einsum("bhwi,bhwj->ij", distance, distance, preferred_element_type=mean.dtype)
    return total / _cells(x)


def _cells(x: Array) -> float:
    """Returns the number of x's pixels; a whole number from 2^31 on is none that jax takes."""
    return float(x.size // x.shape[-1])


def _distance(x: Array, mean: Array) -> Array:
    return (x.astype(mean.dtype) - mean.reshape(1, 1, 1, -1)).astype(x.dtype)


def _covariance_forward(x: Array, mean: Array) -> tuple[Array, tuple[Array, Array]]:
    return covariance(x, mean), (x, mean)


def _covariance_backward(kept: tuple[Array, Array], g: Array) -> tuple[Array, Array]:
    x, mean = kept
    matrix = ((g + g.T) / _cells(x)).astype(x.dtype)
    return conv(_distance(x, mean), matrix[None, None], padding=0), jnp.zeros_like(mean)


covariance.defvjp(_covariance_forward, _covariance_backward)

"""A 1x1 convolution and the batch norm after it in one operation, which does not store the value between them.

Both are linear for given statistics. The statistics of a linear map's output follow from the mean m and the covariance
C of its input: with kernel K they are K'm and the diagonal of K'CK. The norm can therefore be folded into the kernel
before the product, also in training, and only the norm's result is written. The gradient does not need the product
either: the gradient for the scale is a sum over the gradient for the kernel.

This is faster if the output is wider than the input, as at the end of a bottleneck block (He et al., arXiv:1512.03385,
figure 5), and if memory bandwidth limits a step.
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
"""Least ratio of features to channels for which it is used. The covariance costs as much as a product with as many
features as channels."""
_EXACT = lax.Precision.HIGHEST
"""Otherwise a TPU rounds the factors of a float32 product to bfloat16."""


def pays(dtype: DTypeLike, channels: int, features: int) -> bool:
    """Returns whether `normalized_projection` is faster than a product and a norm: for bfloat16, if it widens."""
    return jnp.dtype(dtype) == jnp.bfloat16 and features >= WIDENS * channels


def normalized_projection(
    x: Array, kernel: Array, scale: Array, bias: Array, *, epsilon: float, across: Average
) -> tuple[Array, Array, Array]:
    """Returns x @ kernel, normalised by its own statistics over examples, height and width, and these statistics.

    Here the kernel with the norm is rounded once. A product and then a norm would round the kernel and the product.
    Differentiable in reverse mode only.

    Args:
        x: (batch, height, width, channels), any float dtype.
        kernel: (channels, features), float32, or float64 if x is.
        scale: (features,), float32.
        bias: likewise.
        epsilon: added to the variance.
        across: averages a mean over devices with other parts of the batch; hashable.

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
    """Returns the biased covariance (channels, channels) of x's channels over all other axes, in the dtype of `mean`.

    Distances to the mean are rounded to x's dtype; products of bfloat16 are exact in float32. No gradient flows to the
    mean. Differentiable in reverse mode only.

    Args:
        x: (batch, height, width, channels), any float dtype.
        mean: (channels,), of x over all other axes, or also over other devices; their covariances must then be
            averaged.
    """
    distance = _distance(x, mean)
    total = jnp.einsum("bhwi,bhwj->ij", distance, distance, preferred_element_type=mean.dtype)
    return total / _cells(x)


def _cells(x: Array) -> float:
    """Returns the number of x's pixels, as a float, since jax does not take integers of 2^31 or more."""
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

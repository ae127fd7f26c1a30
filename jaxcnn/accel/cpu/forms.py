"""The forms for CPUs: which methods of layers they replace.

A form takes the original method, the layer and the method's arguments. For finite values its result and its gradients
are equal to the method's. Most forms are differentiable in reverse mode only. Convolutions and biases in half precision
are not replaced.
"""

import jax.numpy as jnp

from jaxcnn.accel.cpu.conv import dense_conv, faster
from jaxcnn.accel.cpu.once import stored
from jaxcnn.accel.cpu.pool import max_pool_by_taps
from jaxcnn.accel.cpu.sums import add_bias_by_sums, scale_and_shift, sums_over
from jaxcnn.accel.form import Forms, Plain, shared
from jaxcnn.layers.conv import Conv
from jaxcnn.layers.join import Join
from jaxcnn.layers.norm import BatchNorm, ChannelLayerNorm, GroupNorm, InstanceNorm, LayerNorm
from jaxcnn.layers.pool import MaxPool
from jaxcnn.ops.norm import Average, itself, moments, normalize
from jaxcnn.ops.pool import Windows
from jaxcnn.ops.window import Slide
from jaxcnn.types import Array

_WIDE = (jnp.float32, jnp.float64)
_NORMS = (BatchNorm, LayerNorm, ChannelLayerNorm, InstanceNorm, GroupNorm)


def _convolve(plain: Plain, layer: Conv, x: Array, kernel: Array, slide: Slide) -> Array:
    form = faster(x.shape, kernel.shape, slide, layer.groups)
    if form is None or x.dtype not in _WIDE:
        return plain(x, kernel, slide)
    return shared(form, x, kernel, slide=slide, groups=layer.groups)


def _convolve_in_loop(plain: Plain, layer: Conv, x: Array, kernel: Array, slide: Slide) -> Array:
    if x.dtype not in _WIDE:
        return plain(x, kernel, slide)
    form = faster(x.shape, kernel.shape, slide, layer.groups) or dense_conv
    return shared(form, x, kernel, slide=slide, groups=layer.groups)


def _add_bias(plain: Plain, _: Conv, x: Array, bias: Array) -> Array:
    return add_bias_by_sums(x, bias) if x.dtype in _WIDE else plain(x, bias)


def _moments(
    plain: Plain, _: BatchNorm, x: Array, axes: tuple[int, ...], across: Average = itself
) -> tuple[Array, Array]:
    return plain(x, axes, across) if x.dtype == jnp.bfloat16 else moments(x, axes, across, sums_over)


def _normalize(_: Plain, layer: BatchNorm, x: Array, mean: Array, variance: Array, scale: Array, bias: Array) -> Array:
    return normalize(x, mean, variance, scale, bias, layer.epsilon, scale_and_shift)


def _largest(_: Plain, __: MaxPool, x: Array, windows: Windows) -> Array:
    return max_pool_by_taps(x, windows)


def _join(plain: Plain, _: Join, x: Array) -> Array:
    return stored(plain(x))


FORMS: Forms = {
    (Conv, "convolve"): _convolve,
    (Conv, "add_bias"): _add_bias,
    (MaxPool, "largest"): _largest,
    (Join, "__call__"): _join,
    **{(norm, "moments"): _moments for norm in _NORMS},
    **{(norm, "normalize"): _normalize for norm in _NORMS},
}
"""Forms by class of layer and name of method."""
LOOPED: Forms = {**FORMS, (Conv, "convolve"): _convolve_in_loop}
"""Forms for a net whose gradients are taken in a loop of the program."""

"""The forms for TPUs: which methods of layers they replace; see `accel.cpu.forms`."""

import math

from jaxcnn.accel.form import Forms, Plain, shared
from jaxcnn.accel.tpu.projection import normalized_projection, pays
from jaxcnn.layers.blocks import ConvNorm
from jaxcnn.layers.conv import Conv
from jaxcnn.layers.norm import BatchNorm
from jaxcnn.ops.window import image_size
from jaxcnn.types import Array


def _conv_norm(plain: Plain, layer: ConvNorm, x: Array) -> Array:
    conv, norm = layer.conv, layer.norm
    if not (isinstance(conv, Conv) and isinstance(norm, BatchNorm) and _projects(conv, norm, x)):
        return plain(x)
    _, across = norm.sharing(x.shape[0])
    kernel, _ = conv.weights(x.shape[-1])
    scale, bias, _, _ = norm.values(conv.features)
    operands = x.astype(conv.dtype), kernel[0, 0], scale, bias
    y, mean, var = shared(normalized_projection, *operands, epsilon=norm.epsilon, across=across)
    norm.follow(mean, var, math.prod(x.shape[:-1]) * across.devices)
    return y.astype(norm.dtype)


def _projects(conv: Conv, norm: BatchNorm, x: Array) -> bool:
    """Returns whether the convolution is a product of each pixel with one matrix, and all examples share statistics."""
    if not norm.by_batch() or not pays(conv.dtype, x.shape[-1], conv.features):
        return False
    return conv.projects(image_size(x)) and norm.sharing(x.shape[0])[0] == x.shape[0]


FORMS: Forms = {(ConvNorm, "__call__"): _conv_norm}
"""Forms by class of layer and name of method."""

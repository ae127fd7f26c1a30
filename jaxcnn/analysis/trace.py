"""Walks over the operations of a model's jaxpr. Nothing is computed or compiled."""

import math
from collections.abc import Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.extend.core import Jaxpr, JaxprEqn

from jaxcnn.layers.variables import abstract_variables

Shape = tuple[int, int, int]


def operations(model: nn.Module, image_shape: Shape) -> Iterator[tuple[JaxprEqn, int]]:
    """Yields every primitive operation of `model` on one image in evaluation mode, and how often it is executed.

    Args:
        model: made by `create_model`.
        image_shape: (height, width, channels).
    """
    image = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    jaxpr = jax.make_jaxpr(model.apply)(abstract_variables(model, image_shape), image).jaxpr
    yield from _walk(jaxpr, 1)


def _walk(jaxpr: Jaxpr, times: int) -> Iterator[tuple[JaxprEqn, int]]:
    for equation in jaxpr.eqns:
        yield equation, times
        repeats = equation.params["length"] if equation.primitive.name == "scan" else 1
        for inner in inner_jaxprs(equation):
            yield from _walk(inner, times * repeats)


def inner_jaxprs(equation: JaxprEqn) -> list[Jaxpr]:
    """Returns the jaxprs inside an operation, such as the body of a loop or the function of a call."""
    return [inner for value in equation.params.values() for inner in _jaxprs(value)]


def _jaxprs(value: Any) -> list[Jaxpr]:
    inner = getattr(value, "jaxpr", value)  # a closed jaxpr has one; from JAX 0.11 on there is only one kind
    return [inner] if isinstance(inner, Jaxpr) else []


def multiply_adds(model: nn.Module, image_shape: Shape) -> int:
    """Returns the multiply-adds of convolutions and matrix products on one image (height, width, channels).

    Norms, activations, pooling and biases are not counted, as in papers and in the usual counters.
    """
    return sum(
        times * _COUNTS[eqn.primitive.name](eqn)
        for eqn, times in operations(model, image_shape)
        if eqn.primitive.name in _COUNTS
    )


def _array(variable: Any) -> jax.core.ShapedArray:
    return variable.aval


def _convolution(equation: JaxprEqn) -> int:
    kernel, output = _array(equation.invars[1]), _array(equation.outvars[0])
    features = kernel.shape[equation.params["dimension_numbers"].rhs_spec[0]]
    return output.size * (kernel.size // features)


def _matrix_product(equation: JaxprEqn) -> int:
    (contracted, _), _ = equation.params["dimension_numbers"]
    left, output = _array(equation.invars[0]), _array(equation.outvars[0])
    return output.size * math.prod(left.shape[axis] for axis in contracted)


_COUNTS = {"conv_general_dilated": _convolution, "dot_general": _matrix_product}

"""Walks over the operations of a model's jaxpr. Nothing is computed or compiled."""

import functools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.extend.core import Jaxpr, JaxprEqn

from jaxcnn.layers.variables import abstract_variables, kept, streams
from jaxcnn.parts import parameters_of
from jaxcnn.types import Variables

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


def loop_inputs(equation: JaxprEqn) -> tuple[int, int]:
    """Returns how many inputs of a loop are the same in each turn, and how many each turn hands on to the next.

    These come first, in this order; of the others each turn has one row.
    """
    jaxpr = inner_jaxprs(equation)[0]
    carried = sum(_rank(a) == _rank(b) for a, b in zip(equation.outvars, jaxpr.outvars, strict=True))
    sliced = [_rank(outer) != _rank(inner) for outer, inner in zip(equation.invars, jaxpr.invars, strict=True)]
    return (sliced.index(True) if any(sliced) else len(sliced)) - carried, carried


def _rank(variable: Any) -> int:
    return len(_array(variable).shape)


def shapes_of(model: nn.Module, image: Any) -> dict[str, Any]:
    """Returns the shapes of a model's variables, for the shape of images (batch, height, width, channels)."""
    init: Any = model.init
    how = {"train": False} if _takes_train(model) else {}
    return kept(jax.eval_shape(functools.partial(init, **how), streams(jax.random.key(0)), image))


def evaluated(model: nn.Module, variables: Variables, image: Any) -> Any:
    """Returns what a model makes of images in evaluation; one without `train` is called without."""
    return applied(model, variables, image, train=False)[0]


def trained(model: nn.Module, variables: Variables, image: Any) -> tuple[Any, Any]:
    """Returns what a model makes of images in training, and its changed variables."""
    return applied(model, variables, image, train=True)


def applied(
    model: nn.Module, variables: Variables, image: Any, *, train: bool, mutable: Sequence[str] = ()
) -> tuple[Any, Any]:
    """Returns what a model makes of images, and its changed variables; random numbers come from a fixed key.

    Args:
        model: any linen module, called with or without `train`.
        variables: of the model.
        image: (batch, height, width, channels) float.
        train: whether it is applied as in training.
        mutable: collections that it may make, besides those that it has.
    """
    apply: Any = model.apply
    how = {"train": train} if _takes_train(model) else {}
    others = [name for name in variables if name != "params"]
    return apply(variables, image, rngs=streams(jax.random.key(0)), mutable=[*others, *mutable], **how)


def _takes_train(model: nn.Module) -> bool:
    taken = parameters_of(type(model).__call__)
    return "train" in taken or any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values())


def multiply_adds(model: nn.Module, image_shape: Shape) -> int:
    """Returns the multiply-adds of convolutions and matrix products on one image (height, width, channels).

    Norms, activations, pooling and biases are not counted, as in papers and in the usual counters.
    """
    return sum(times * products(equation) for equation, times in operations(model, image_shape))


def products(equation: JaxprEqn) -> int:
    """Returns the multiply-adds of one operation: 0 for all but convolutions and matrix products."""
    count = _COUNTS.get(equation.primitive.name)
    return 0 if count is None else count(equation)


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

"""The memory that a net needs, estimated from its trace: nothing is compiled.

Both figures are of the operations as JAX traces them, each with an output of its own, except that an elementwise
operation writes over an input that nothing else reads. A compiler that fuses operations needs less, one that keeps
copies in other layouts more.
"""

import functools
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.extend.core import Jaxpr, JaxprEqn, Literal

from jaxcnn.analysis.rules import ELEMENTWISE
from jaxcnn.analysis.trace import Shape, evaluated, inner_jaxprs, shapes_of, trained


class Memory(NamedTuple):
    """Bytes for a batch of images."""

    batch_size: int
    variables: int
    """Parameters and statistics."""
    inference: int
    """Variables, and the values that are needed at once: at the operation at which these are most."""
    training: int | None
    """Variables, a gradient and a momentum of each parameter, and all values that the gradient of the logits keeps.
    None if the net cannot be traced in training."""


def memory(model: nn.Module, image_shape: Shape, batch_size: int) -> Memory:
    """Returns the memory of inference and of a training step with momentum.

    Args:
        model: as of `jaxcnn.analysis.walk.walk`.
        image_shape: (height, width, channels).
        batch_size: number of images.
    """
    image = jax.ShapeDtypeStruct((batch_size, *image_shape), jnp.float32)
    variables = shapes_of(model, image)
    params, others = variables.get("params", {}), {name: tree for name, tree in variables.items() if name != "params"}

    def keep(params: Any, others: Any, image: Any) -> Any:
        return jax.vjp(lambda params: trained(model, {"params": params, **others}, image), params, has_aux=True)

    held = _bytes(variables)
    at_once = _most(jax.make_jaxpr(functools.partial(evaluated, model))(variables, image).jaxpr) + _size(image)
    try:
        traced = jax.make_jaxpr(keep)(params, others, image).jaxpr
    except Exception:  # a net of a user's own may fail in any way
        return Memory(batch_size, held, held + at_once, None)
    results = {variable for variable in traced.outvars if not isinstance(variable, Literal)} - set(traced.invars)
    kept_values = sum(_size(variable.aval) for variable in results)
    return Memory(batch_size, held, held + at_once, held + 2 * _bytes(params) + kept_values + _size(image))


def _bytes(tree: Any) -> int:
    return sum(map(_size, jax.tree.leaves(tree)))


def _size(array: Any) -> int:
    return array.size * array.dtype.itemsize if hasattr(array.dtype, "itemsize") else 0


def _most(jaxpr: Jaxpr) -> int:
    """Returns the bytes of values, inputs not counted, that are needed at once."""
    last = {variable: place for place, equation in enumerate(jaxpr.eqns) for variable in _read(equation)}
    last |= {variable: len(jaxpr.eqns) for variable in jaxpr.outvars if not isinstance(variable, Literal)}
    live: dict[Any, int] = {}
    most = 0
    for place, equation in enumerate(jaxpr.eqns):
        inner = max((_most(each) for each in inner_jaxprs(equation)), default=0)
        made = {variable: _size(variable.aval) for variable in equation.outvars}
        ended = [variable for variable in set(_read(equation)) if last[variable] == place and variable in live]
        if equation.primitive.name in ELEMENTWISE and any(live[each] >= sum(made.values()) for each in ended):
            _free(live, ended)  # written over
        most = max(most, sum(live.values()) + max(sum(made.values()), inner))
        _free(live, ended)
        live |= {variable: size for variable, size in made.items() if variable in last}
    return most


def _free(live: dict[Any, int], ended: list[Any]) -> None:
    for variable in ended:
        live.pop(variable, None)


def _read(equation: JaxprEqn) -> list[Any]:
    return [variable for variable in equation.invars if not isinstance(variable, Literal)]

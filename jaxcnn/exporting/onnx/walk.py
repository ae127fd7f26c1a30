"""Walks over a jaxpr, and writes each of its operations into a graph."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jax.extend.core import Jaxpr, Literal

from jaxcnn.exporting.onnx.axes import AXES
from jaxcnn.exporting.onnx.elementwise import ELEMENTWISE, Emitter
from jaxcnn.exporting.onnx.graph import Graph, NoCounterpartError, Value, is_sized, known
from jaxcnn.exporting.onnx.loops import HOLDERS
from jaxcnn.exporting.onnx.parts import PARTS
from jaxcnn.exporting.onnx.windows import WINDOWS

EMITTERS: Mapping[str, Emitter] = {**ELEMENTWISE, **AXES, **PARTS, **WINDOWS}
"""By primitive, what writes it."""


def walk(graph: Graph, jaxpr: Jaxpr, constants: Sequence[Any], inputs: Sequence[Value]) -> list[Value]:
    """Writes a jaxpr; returns its outputs.

    Args:
        graph: to write into.
        jaxpr: of the net.
        constants: of its `constvars`.
        inputs: of its `invars`.

    Raises:
        NoCounterpartError: for an operation that is not written as ONNX.
    """
    found: dict[Any, Value] = dict(zip(jaxpr.invars, inputs, strict=True))
    found |= {variable: known(value) for variable, value in zip(jaxpr.constvars, constants, strict=True)}

    def value(variable: Any) -> Value:
        literal = isinstance(variable, Literal)
        return known(np.asarray(variable.val, variable.aval.dtype)) if literal else found[variable]

    for equation in jaxpr.eqns:
        outputs = _step(graph, equation, [value(variable) for variable in equation.invars])
        found |= dict(zip(equation.outvars, outputs, strict=True))
    return [value(variable) for variable in jaxpr.outvars]


def _step(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Sequence[Value]:
    name, outside = equation.primitive.name, graph.scope
    if all(each.known is not None and not each.thin for each in inputs) and _is_computed(equation):
        return _computed(equation, inputs)
    graph.scope = "/".join(filter(None, (outside, str(equation.source_info.name_stack))))
    try:
        if name in HOLDERS:
            return HOLDERS[name](graph, equation, inputs, walk)
        if name not in EMITTERS:
            raise NoCounterpartError(f"the operation {name}")
        found = EMITTERS[name](graph, equation, inputs)
        return found if isinstance(found, list) else [found]
    except NoCounterpartError as error:
        raise error.within(graph.scope) from None
    finally:
        graph.scope = outside


def _is_computed(equation: Any) -> bool:
    """Returns whether an operation on known arrays is computed now, and not what it calls."""
    name, sized = equation.primitive.name, all(is_sized(each.aval.shape) for each in equation.outvars)
    return sized and (name not in {*HOLDERS, "dim_as_value"} or name == "while")


def _computed(equation: Any, inputs: Sequence[Value]) -> list[Value]:
    """Returns the outputs of an operation on known arrays."""
    outputs = equation.primitive.bind(*(each.known for each in inputs), **equation.params)
    hint = next((each.hint for each in inputs if each.hint), "")
    several = equation.primitive.multiple_results
    return [known(output, hint) for output in (outputs if several else [outputs])]

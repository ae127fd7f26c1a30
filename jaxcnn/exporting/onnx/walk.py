"""Walks over a jaxpr, and writes each of its operations into a graph."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jax.extend.core import Jaxpr, Literal

from jaxcnn.exporting.onnx.axes import AXES
from jaxcnn.exporting.onnx.elementwise import ELEMENTWISE, Emitter
from jaxcnn.exporting.onnx.graph import Graph, NoCounterpartError, Value, known
from jaxcnn.exporting.onnx.windows import WINDOWS

EMITTERS: Mapping[str, Emitter] = {**ELEMENTWISE, **AXES, **WINDOWS}
"""By primitive, what writes it."""
_LOOPS = {"cond", "scan", "while"}


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
        return known(variable.val) if isinstance(variable, Literal) else found[variable]

    for equation in jaxpr.eqns:
        outputs = _step(graph, equation, [value(variable) for variable in equation.invars])
        found |= dict(zip(equation.outvars, outputs, strict=True))
    return [value(variable) for variable in jaxpr.outvars]


def _step(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Sequence[Value]:
    name = equation.primitive.name
    inner = [] if name in _LOOPS else _called(equation)
    if inner:
        return walk(graph, *inner[0], inputs)
    if all(each.known is not None and not each.thin for each in inputs) and _is_sized(equation):
        return _computed(equation, inputs)
    if name not in EMITTERS:
        raise NoCounterpartError(f"the operation {name}")
    graph.scope = str(equation.source_info.name_stack)
    return [EMITTERS[name](graph, equation, inputs)]


def _is_sized(equation: Any) -> bool:
    """Returns whether the outputs have shapes that do not depend on the batch."""
    return all(isinstance(size, int) for each in equation.outvars for size in each.aval.shape)


def _computed(equation: Any, inputs: Sequence[Value]) -> list[Value]:
    """Returns the outputs of an operation on known arrays."""
    outputs = equation.primitive.bind(*(each.known for each in inputs), **equation.params)
    hint = next((each.hint for each in inputs if each.hint), "")
    several = equation.primitive.multiple_results
    return [known(np.asarray(output), hint) for output in (outputs if several else [outputs])]


def _called(equation: Any) -> list[tuple[Jaxpr, Sequence[Any]]]:
    """Returns the function that an operation calls, and its constants."""
    values = equation.params.values()
    inner = [(getattr(value, "jaxpr", value), getattr(value, "consts", ())) for value in values]
    return [(jaxpr, constants) for jaxpr, constants in inner if isinstance(jaxpr, Jaxpr)]

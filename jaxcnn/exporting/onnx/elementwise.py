"""What is written for operations that treat every element alike."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from onnx import helper

from jaxcnn.exporting.onnx.graph import Graph, Value, known

Emitter = Callable[[Graph, Any, Sequence[Value]], Value]
"""Writes an operation, (graph, equation, inputs), and returns its output."""
Shaped = Callable[..., str]
"""Adds nodes to a graph for tensors by their names, whose axes stand alike; returns the name of the last."""


def each(write: Shaped) -> Emitter:
    """Returns what brings the axes of the inputs into one order, and then writes an operation."""

    def emit(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:
        lead = _lead(inputs)
        if lead.mixed and not all(value is lead or _follows(value, lead) for value in inputs):
            lead = graph.plain(lead)
        names = [_name(graph, value, lead) for value in inputs]
        shape = equation.outvars[0].aval.shape
        thin = frozenset(axis for axis in range(len(shape)) if shape[axis] != 1 and all(_one(v, axis) for v in inputs))
        return dataclasses.replace(lead, name=write(graph, *names), shape=shape, thin=thin)

    return emit


def _lead(inputs: Sequence[Value]) -> Value:
    """Returns the input whose order the others follow: a tensor that is not broadcast, if there is one."""
    tensors = [value for value in inputs if value.known is None]
    return max(tensors, key=lambda value: (value.rank, -len(value.thin), -value.shape.count(1)))


def _follows(value: Value, lead: Value) -> bool:
    """Returns whether a value can be given in the order of a lead that is `mixed`."""
    return value.mixed == lead.mixed if value.known is None else value.shape[-1:] in ((), (1,), lead.shape[-1:])


def _name(graph: Graph, value: Value, lead: Value) -> str:
    if value.rank == 0:
        return graph.ordered(value, ())
    if lead.mixed and value.known is not None and value.known.shape[-1] != 1:
        sizes, order = lead.mixed
        array = value.known.reshape(-1, *sizes).transpose(0, *(1 + axis for axis in order)).reshape(value.known.shape)
        return graph.constant(array, value.hint)
    return value.name if lead.mixed and value.known is None else graph.ordered(value, lead.order)


def _one(value: Value, axis: int) -> bool:
    return value.rank == 0 or value.shape[axis] == 1 or axis in value.thin


def _op(op: str) -> Emitter:
    return each(lambda graph, *names: graph.add(op, names))


def _scalar(graph: Graph, value: float) -> str:
    return graph.constant(np.array(value, np.float32))


def _largest(graph: Graph, *names: str) -> str:
    """Writes `max`, as Relu where that is what it is."""
    tensors = [name for name in names if not _is_zero(graph, name)]
    return graph.add("Relu", tensors) if len(tensors) == 1 else graph.add("Max", names)


def _is_zero(graph: Graph, name: str) -> bool:
    array = graph.constants.get(name)
    return array is not None and array.dtype == np.float32 and array.ndim == 0 and array == 0


def _not_equal(graph: Graph, a: str, b: str) -> str:
    return graph.add("Not", [graph.add("Equal", [a, b])])


def _power(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:
    exponent = known(np.array(equation.params["y"], np.float32))
    return _op("Pow")(graph, equation, [*inputs, exponent])


def _cast(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:
    before, after = (each.aval.dtype for each in (equation.invars[0], equation.outvars[0]))
    if before == after:
        return inputs[0]
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(after))
    return each(lambda graph, name: graph.add("Cast", [name], to=kind))(graph, equation, inputs)


def _choose(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:
    """Writes `select_n` of two: where it is true, the second."""
    which, no, yes = inputs
    return _op("Where")(graph, equation, [which, yes, no])


def _clamp(graph: Graph, low: str, x: str, high: str) -> str:
    return graph.add("Min", [graph.add("Max", [x, low]), high])


def itself(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:  # noqa: ARG001
    """Writes nothing."""
    return inputs[0]


_NAMED = {
    **{"add": "Add", "add_any": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "pow": "Pow", "min": "Min"},
    **{"neg": "Neg", "abs": "Abs", "sign": "Sign", "floor": "Floor", "ceil": "Ceil", "exp": "Exp", "log": "Log"},
    **{"sqrt": "Sqrt", "tanh": "Tanh", "sin": "Sin", "cos": "Cos", "erf": "Erf", "logistic": "Sigmoid"},
    **{"gt": "Greater", "ge": "GreaterOrEqual", "lt": "Less", "le": "LessOrEqual", "eq": "Equal"},
    **{"and": "And", "or": "Or", "not": "Not"},
}
ELEMENTWISE: Mapping[str, Emitter] = {
    **{primitive: _op(op) for primitive, op in _NAMED.items()},
    "clamp": each(_clamp),
    "convert_element_type": _cast,
    "erfc": each(lambda graph, x: graph.add("Sub", [_scalar(graph, 1), graph.add("Erf", [x])])),
    "expm1": each(lambda graph, x: graph.add("Sub", [graph.add("Exp", [x]), _scalar(graph, 1)])),
    "integer_pow": _power,
    "log1p": each(lambda graph, x: graph.add("Log", [graph.add("Add", [x, _scalar(graph, 1)])])),
    "max": each(_largest),
    "ne": each(_not_equal),
    "rsqrt": each(lambda graph, x: graph.add("Reciprocal", [graph.add("Sqrt", [x])])),
    "select_n": _choose,
    "square": each(lambda graph, x: graph.add("Mul", [x, x])),
    **dict.fromkeys(("copy", "copy_p", "name", "optimization_barrier", "stop_gradient"), itself),
}
"""By primitive, what writes it."""

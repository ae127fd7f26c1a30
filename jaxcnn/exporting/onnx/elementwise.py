"""What is written for operations that treat every element alike."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jax import lax
from onnx import helper

from jaxcnn.exporting.onnx.graph import Graph, NoCounterpartError, Value, known

Emitter = Callable[[Graph, Any, Sequence[Value]], Value | list[Value]]
"""Writes an operation, (graph, equation, inputs), and returns its output, or a list of its outputs."""
Shaped = Callable[..., str]
"""Adds nodes to a graph for tensors by their names, whose axes stand alike; returns the name of the last."""


def each(write: Shaped) -> Emitter:
    """Returns what brings the axes of the inputs into one order, and then writes an operation."""

    def emit(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:
        shape = equation.outvars[0].aval.shape
        thin = frozenset(axis for axis in range(len(shape)) if shape[axis] != 1 and all(_one(v, axis) for v in inputs))
        if all(value.known is not None for value in inputs):
            return _thinly_computed(equation, inputs, thin)
        lead = _lead(inputs)
        if lead.mixed and not all(value is lead or _follows(value, lead) for value in inputs):
            lead = graph.plain(lead)
        names = [_name(graph, value, lead) for value in inputs]
        return dataclasses.replace(lead, name=write(graph, *names), shape=shape, thin=thin)

    return emit


def _thinly_computed(equation: Any, inputs: Sequence[Value], thin: frozenset[int]) -> Value:
    """Returns the output of an operation on known arrays, whose axes `thin` have length 1."""
    shape = equation.outvars[0].aval.shape
    small = [1 if axis in thin else size for axis, size in enumerate(shape)]
    arrays = [np.broadcast_to(value.array, small) if value.rank else value.array for value in inputs]
    found = known(equation.primitive.bind(*arrays, **equation.params))
    return dataclasses.replace(found, shape=shape, thin=thin)


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


def _power(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value | list[Value]:
    exponent = known(np.array(equation.params["y"], np.float32))
    return _op("Pow")(graph, equation, [*inputs, exponent])


def _cast(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value | list[Value]:
    before, after = (each.aval.dtype for each in (equation.invars[0], equation.outvars[0]))
    if before == after:
        return inputs[0]
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(after))
    return each(lambda graph, name: graph.add("Cast", [name], to=kind))(graph, equation, inputs)


def _choose(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value | list[Value]:
    """Writes `select_n` of two: where it is true, the second."""
    which, *cases = inputs
    if len(cases) != 2 or equation.invars[0].aval.dtype != np.bool_:
        raise NoCounterpartError("a choice among several arrays by number")
    no, yes = cases
    return _op("Where")(graph, equation, [which, yes, no])


def _logical(op: str) -> Emitter:
    """Returns what writes an operation on bits, where these are single ones."""

    def emit(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value | list[Value]:
        if equation.outvars[0].aval.dtype != np.bool_:
            raise NoCounterpartError(f"the operation {equation.primitive.name} on the bits of integers")
        return _op(op)(graph, equation, inputs)

    return emit


def _rounded(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value | list[Value]:
    """Writes rounding; halves go to the even neighbour, or away from zero."""
    if equation.params["rounding_method"] == lax.RoundingMethod.TO_NEAREST_EVEN:
        return _op("Round")(graph, equation, inputs)
    return each(_away_from_zero)(graph, equation, inputs)


def _away_from_zero(graph: Graph, x: str) -> str:
    size = graph.add("Floor", [graph.add("Add", [graph.add("Abs", [x]), _scalar(graph, 0.5)])])
    return graph.add("Mul", [graph.add("Sign", [x]), size])


def _precision(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:
    """Writes nothing for a precision that float32 has."""
    if equation.params["exponent_bits"] < 8 or equation.params["mantissa_bits"] < 23:
        raise NoCounterpartError("a rounding to fewer bits than float32 has")
    return itself(graph, equation, inputs)


def _clamp(graph: Graph, low: str, x: str, high: str) -> str:
    return graph.add("Min", [graph.add("Max", [x, low]), high])


def _finite(graph: Graph, x: str) -> str:
    return graph.add("Not", [graph.add("Or", [graph.add("IsInf", [x]), graph.add("IsNaN", [x])])])


def _cubic_root(graph: Graph, x: str) -> str:
    size = graph.add("Pow", [graph.add("Abs", [x]), _scalar(graph, 1 / 3)])
    return graph.add("Mul", [graph.add("Sign", [x]), size])


def itself(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:  # noqa: ARG001
    """Writes nothing."""
    return inputs[0]


_NAMED = {
    **{"add": "Add", "add_any": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "pow": "Pow", "min": "Min"},
    **{"neg": "Neg", "abs": "Abs", "sign": "Sign", "floor": "Floor", "ceil": "Ceil", "exp": "Exp", "log": "Log"},
    **{"sqrt": "Sqrt", "erf": "Erf", "logistic": "Sigmoid"},
    **{"sin": "Sin", "cos": "Cos", "tan": "Tan", "asin": "Asin", "acos": "Acos", "atan": "Atan"},
    **{"sinh": "Sinh", "cosh": "Cosh", "tanh": "Tanh", "asinh": "Asinh", "acosh": "Acosh", "atanh": "Atanh"},
    **{"gt": "Greater", "ge": "GreaterOrEqual", "lt": "Less", "le": "LessOrEqual", "eq": "Equal"},
}
ELEMENTWISE: Mapping[str, Emitter] = {
    **{primitive: _op(op) for primitive, op in _NAMED.items()},
    **{primitive: _logical(op) for primitive, op in {"and": "And", "or": "Or", "not": "Not", "xor": "Xor"}.items()},
    "cbrt": each(_cubic_root),
    "clamp": each(_clamp),
    "convert_element_type": _cast,
    "erfc": each(lambda graph, x: graph.add("Sub", [_scalar(graph, 1), graph.add("Erf", [x])])),
    "exp2": each(lambda graph, x: graph.add("Pow", [_scalar(graph, 2), x])),
    "expm1": each(lambda graph, x: graph.add("Sub", [graph.add("Exp", [x]), _scalar(graph, 1)])),
    "integer_pow": _power,
    "is_finite": each(_finite),
    "log1p": each(lambda graph, x: graph.add("Log", [graph.add("Add", [x, _scalar(graph, 1)])])),
    "max": each(_largest),
    "ne": each(_not_equal),
    "reduce_precision": _precision,
    "rem": each(lambda graph, a, b: graph.add("Mod", [a, b], fmod=1)),
    "round": _rounded,
    "rsqrt": each(lambda graph, x: graph.add("Reciprocal", [graph.add("Sqrt", [x])])),
    "select_n": _choose,
    "square": each(lambda graph, x: graph.add("Mul", [x, x])),
    **dict.fromkeys(("copy", "copy_p", "name", "optimization_barrier", "stop_gradient"), itself),
}
"""By primitive, what writes it."""

"""What is written for operations that hold functions: calls, loops of a known length, and branches."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jax.extend.core import Jaxpr

from jaxcnn.exporting.onnx.axes import joined, reshaped
from jaxcnn.exporting.onnx.graph import Graph, NoCounterpartError, Value, known
from jaxcnn.exporting.onnx.parts import part

Walk = Callable[[Graph, Jaxpr, Sequence[Any], Sequence[Value]], list[Value]]
"""Writes a jaxpr, (graph, jaxpr, constants, inputs), and returns its outputs."""
Holder = Callable[[Graph, Any, Sequence[Value], Walk], Sequence[Value]]
"""Writes an operation, (graph, equation, inputs, walk), and returns its outputs."""


def _inner(function: Any) -> tuple[Jaxpr, Sequence[Any]]:
    """Returns a jaxpr and its constants; from JAX 0.11 on there is only one kind."""
    return getattr(function, "jaxpr", function), getattr(function, "consts", ())


def _call(key: str) -> Holder:
    """Returns what writes the function that an operation calls."""

    def hold(graph: Graph, equation: Any, inputs: Sequence[Value], walk: Walk) -> Sequence[Value]:
        return walk(graph, *_inner(equation.params[key]), inputs)

    return hold


def _scan(graph: Graph, equation: Any, inputs: Sequence[Value], walk: Walk) -> Sequence[Value]:
    """Writes each turn of a loop by itself."""
    given, (jaxpr, constants) = equation.params, _inner(equation.params["jaxpr"])
    taken = _number_of_rows(equation.invars, jaxpr.invars)
    carried = len(jaxpr.outvars) - _number_of_rows(equation.outvars, jaxpr.outvars)
    first, last = len(inputs) - taken - carried, len(inputs) - taken
    same, carry, rows = inputs[:first], inputs[first:last], inputs[last:]
    turns = list(range(given["length"]))
    outputs: dict[int, list[Value]] = {}
    for turn in reversed(turns) if given["reverse"] else turns:
        found = walk(graph, jaxpr, constants, [*same, *carry, *(_row(graph, each, turn) for each in rows)])
        carry, outputs[turn] = found[:carried], found[carried:]
    shapes = [variable.aval.shape for variable in equation.outvars[carried:]]
    stacks = [[outputs[turn][place] for turn in turns] for place in range(len(shapes))]
    return [*carry, *(_stacked(graph, stack, shape) for stack, shape in zip(stacks, shapes, strict=True))]


def _number_of_rows(outside: Sequence[Any], inside: Sequence[Any]) -> int:
    """Returns how many arrays a loop takes, or makes, row by row: these have one axis less inside."""
    return sum(a.aval.ndim > b.aval.ndim for a, b in zip(outside, inside, strict=True))


def _row(graph: Graph, value: Value, turn: int) -> Value:
    if value.known is not None and not value.thin:
        return known(value.known[turn], value.hint)
    row = part(graph, value, {0: turn}, (1, *value.shape[1:]))
    return reshaped(graph, row, value.shape[1:])


def _stacked(graph: Graph, values: Sequence[Value], shape: Sequence[Any]) -> Value:
    if all(value.known is not None and not value.thin for value in values):
        return known(np.stack([value.known for value in values if value.known is not None]))
    return joined(graph, [reshaped(graph, value, (1, *shape[1:])) for value in values], 0, shape)


def _branch(graph: Graph, equation: Any, inputs: Sequence[Value], walk: Walk) -> Sequence[Value]:
    """Writes the branch that is taken, where that is known."""
    which, *operands = inputs
    if which.known is None:
        raise NoCounterpartError("a branch that depends on the image")
    return walk(graph, *_inner(equation.params["branches"][int(which.known)]), operands)


def _refused(graph: Graph, equation: Any, inputs: Sequence[Value], walk: Walk) -> Sequence[Value]:  # noqa: ARG001
    raise NoCounterpartError("a loop whose length is not known")


HOLDERS: Mapping[str, Holder] = {
    **dict.fromkeys(("jit", "pjit", "closed_call", "checkpoint", "remat2", "composite"), _call("jaxpr")),
    **dict.fromkeys(("core_call", "custom_jvp_call", "custom_vjp_call"), _call("call_jaxpr")),
    "cond": _branch,
    "scan": _scan,
    "while": _refused,
}
"""By primitive, what writes it."""

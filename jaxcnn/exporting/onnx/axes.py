"""What is written for operations on the axes of a value: reshaping, transposing, joining, summing, ranking."""

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from jaxcnn.exporting.onnx.elementwise import Emitter
from jaxcnn.exporting.onnx.graph import Graph, NoCounterpartError, Order, Value

Group = tuple[list[int], list[int]]
"""Axes before and after a reshape that hold the same numbers, in the same order."""


def channels_first(rank: int) -> Order:
    """Returns the order in which the graph has the axes (batch, height, width, ...); that of the jaxpr below rank 4."""
    return (0, *range(3, rank), 1, 2) if rank > 3 else tuple(range(rank))


def reshaped(graph: Graph, value: Value, shape: Sequence[Any]) -> Value:
    """Returns a value in another shape; a transposition is written only where axes are merged in another order."""
    shape, value = tuple(shape), graph.full(value)
    if value.known is not None:
        return dataclasses.replace(value, known=value.known.reshape(shape), shape=shape, order=tuple(range(len(shape))))
    value = graph.plain(value)
    groups = _groups(value.shape, shape)
    if groups is None:
        name = graph.ordered(value, tuple(range(value.rank)))
        return _written(graph, dataclasses.replace(value, name=name), shape, tuple(range(len(shape))))
    there = [axis for axis in value.order if value.shape[axis] != 1]
    sequence = sorted(groups, key=lambda group: there.index(group[0][0]))
    if list(itertools.chain.from_iterable(before for before, _ in sequence)) != there:
        if len(shape) == 2 and len(groups) == 2 and len(groups[0][0]) == 1:
            return _flattened(graph, value, shape, groups[1][0])
        wanted = channels_first(len(shape))
        sequence = sorted(groups, key=lambda group: wanted.index(group[1][0]))
        axes = list(itertools.chain.from_iterable(before for before, _ in sequence))
        order = (*axes, *(axis for axis in value.order if axis not in axes))
        value = dataclasses.replace(value, name=graph.ordered(value, order), order=order)
    order = _filled(list(itertools.chain.from_iterable(after for _, after in sequence)), len(shape))
    return _written(graph, value, shape, order)


def _written(graph: Graph, value: Value, shape: tuple[Any, ...], order: Order) -> Value:
    sizes = [shape[axis] for axis in order]
    name = value.name
    if sum(not isinstance(size, int) for size in sizes) > 1:
        raise NoCounterpartError("an array of which several axes depend on the size of the batch")
    if sizes != [value.shape[axis] for axis in value.order]:
        name = graph.add("Reshape", [name, graph.integers(*(size if isinstance(size, int) else -1 for size in sizes))])
    return Value(name=name, shape=shape, order=order)


def _flattened(graph: Graph, value: Value, shape: tuple[Any, ...], axes: list[int]) -> Value:
    """Returns (batch, features) whose features stay in the graph's order."""
    inner = [axis for axis in value.order if axis in axes]
    name = graph.ordered(value, (*(axis for axis in value.order if axis not in axes), *inner))
    name = graph.add("Reshape", [name, graph.integers(-1, shape[1])])
    mixed = tuple(value.shape[axis] for axis in axes), tuple(axes.index(axis) for axis in inner)
    return Value(name=name, shape=shape, order=(0, 1), mixed=mixed)


def _filled(axes: list[int], rank: int) -> Order:
    """Returns an order of all axes, those of length 1 among them, that has `axes` in this order."""
    wanted = channels_first(rank)
    if [axis for axis in wanted if axis in axes] == axes:
        return wanted
    return (*axes, *(axis for axis in range(rank) if axis not in axes))


def _groups(before: tuple[Any, ...], after: tuple[Any, ...]) -> list[Group] | None:
    """Returns the groups of axes of two shapes; axes of length 1 are in none. None: the batch is merged with others."""
    left = [axis for axis, size in enumerate(before) if size != 1]
    right = [axis for axis, size in enumerate(after) if size != 1]
    groups: list[Group] = []
    while left or right:
        a, b = [left.pop(0)], [right.pop(0)]
        if not (isinstance(before[a[0]], int) and isinstance(after[b[0]], int)):
            if before[a[0]] != after[b[0]]:
                return None
            groups.append((a, b))
            continue
        while (m := math.prod(before[axis] for axis in a)) != (n := math.prod(after[axis] for axis in b)):
            smaller, rest, shape = (a, left, before) if m < n else (b, right, after)
            smaller.append(rest.pop(0))
            if not isinstance(shape[smaller[-1]], int):
                return None
        groups.append((a, b))
    return groups


def _reshape(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:
    return reshaped(graph, inputs[0], equation.outvars[0].aval.shape)


def _broadcast(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:
    shape, places = equation.outvars[0].aval.shape, equation.params["broadcast_dimensions"]
    value = inputs[0]
    small = [1] * len(shape)
    for axis, place in enumerate(places):
        small[place] = 1 if axis in value.thin else value.shape[axis]
    bare = dataclasses.replace(value, thin=frozenset(), shape=tuple(small[place] for place in places))
    thin = frozenset(axis for axis, size in enumerate(shape) if size != 1 and small[axis] == 1)
    return dataclasses.replace(reshaped(graph, bare, small), shape=shape, thin=thin)


def transposed(graph: Graph, value: Value, axes: Sequence[int]) -> Value:
    """Returns a value whose axis k is axis axes[k] of another. Nothing is written for that alone."""
    value, axes = graph.plain(value), list(axes)
    known = None if value.known is None else value.known.transpose(axes)
    return dataclasses.replace(
        value,
        shape=tuple(value.shape[axis] for axis in axes),
        known=known,
        order=tuple(axes.index(axis) for axis in value.order) if known is None else tuple(range(len(axes))),
        thin=frozenset(axes.index(axis) for axis in value.thin),
    )


def _transpose(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:
    return transposed(graph, inputs[0], equation.params["permutation"])


def _sum(op: str) -> Emitter:
    """Returns what writes a sum, or another reduction; those of truth values are of 0 and 1."""

    def emit(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:
        value, axes = graph.plain(graph.full(inputs[0])), equation.params["axes"]
        places, name = sorted(value.order.index(axis) for axis in axes), value.name
        bits = equation.outvars[0].aval.dtype == np.bool_
        if bits:
            name = graph.add("Cast", [name], to=TensorProto.INT32)
        name = graph.add(op, [name, graph.integers(*places)], keepdims=0)
        if bits:
            name = graph.add("Cast", [name], to=TensorProto.BOOL)
        left = [axis for axis in range(value.rank) if axis not in axes]
        order = tuple(left.index(axis) for axis in value.order if axis in left)
        return Value(name=name, shape=equation.outvars[0].aval.shape, order=order)

    return emit


def joined(graph: Graph, values: Sequence[Value], axis: int, shape: Sequence[Any]) -> Value:
    """Returns values behind each other along an axis; those of length 0 are left out.

    Args:
        graph: that is written.
        values: equal in all other axes.
        axis: of JAX's array.
        shape: of the result.
    """
    values = [graph.plain(graph.full(value)) for value in values if value.shape[axis] != 0]
    if len(values) == 1:
        return values[0]
    order = next(value.order for value in values if value.known is None)
    names = [graph.ordered(value, order) for value in values]
    return Value(name=graph.add("Concat", names, axis=order.index(axis)), shape=tuple(shape), order=order)


def _join(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:
    return joined(graph, inputs, equation.params["dimension"], equation.outvars[0].aval.shape)


def _stack(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:
    axis, shape = equation.params["axis"], equation.outvars[0].aval.shape
    thin = [1 if place == axis else size for place, size in enumerate(shape)]
    return joined(graph, [reshaped(graph, value, thin) for value in inputs], axis, shape)


def _tile(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:
    value, times = graph.plain(graph.full(inputs[0])), equation.params["reps"]
    name = graph.add("Tile", [value.name, graph.integers(*(times[axis] for axis in value.order))])
    return Value(name=name, shape=equation.outvars[0].aval.shape, order=value.order)


def _batch(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:  # noqa: ARG001
    """Writes the size of the batch as a number."""
    number = graph.add("Reshape", [graph.sizes([equation.params["dim"]]), graph.integers()])
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(equation.outvars[0].aval.dtype))
    return Value(name=graph.add("Cast", [number], to=kind), shape=())


def _place_of(op: str) -> Emitter:
    """Returns what writes the place of an extreme along an axis, the first of equal ones."""

    def emit(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:
        (axis,), (output,) = equation.params["axes"], equation.outvars
        value = graph.plain(graph.full(inputs[0]))
        name = graph.add(op, [value.name], axis=value.order.index(axis), keepdims=0)
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(output.aval.dtype))
        order = tuple(place - (place > axis) for place in value.order if place != axis)
        return Value(name=graph.add("Cast", [name], to=kind), shape=output.aval.shape, order=order)

    return emit


def _running_sum(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:
    value, axis = graph.plain(graph.full(inputs[0])), equation.params["axis"]
    place = graph.constant(np.array(value.order.index(axis), np.int64))
    name = graph.add("CumSum", [value.name, place], reverse=int(equation.params["reverse"]))
    return dataclasses.replace(value, name=name)


def _largest(graph: Graph, equation: Any, inputs: Sequence[Value]) -> list[Value]:
    """Writes `top_k`: the largest values along an axis, and their places."""
    axis = equation.params.get("axis", -1) % inputs[0].rank
    return _ranked(graph, equation, inputs[0], axis, equation.params["k"], largest=1)


def _sorted(graph: Graph, equation: Any, inputs: Sequence[Value]) -> list[Value]:
    axis = equation.params["dimension"]
    if len(inputs) > 1 or not isinstance(inputs[0].shape[axis], int):
        raise NoCounterpartError("a sort of several arrays, or along the batch")
    return _ranked(graph, equation, inputs[0], axis, inputs[0].shape[axis], largest=0)


def _ranked(graph: Graph, equation: Any, value: Value, axis: int, count: int, *, largest: int) -> list[Value]:
    """Writes the first values along an axis, and their places, as far as the operation has these outputs."""
    value = graph.plain(graph.full(value))
    given = {"axis": value.order.index(axis), "largest": largest, "sorted": 1}
    ranked = graph.several("TopK", [value.name, graph.integers(count)], 2, **given)
    outputs = [each.aval for each in equation.outvars]
    names = [ranked[0], graph.add("Cast", [ranked[1]], to=TensorProto.INT32)] if len(outputs) == 2 else ranked[:1]
    return [Value(name=name, shape=aval.shape, order=value.order) for name, aval in zip(names, outputs, strict=True)]


AXES: Mapping[str, Emitter] = {
    **dict.fromkeys(("expand_dims", "reshape", "squeeze"), _reshape),
    "broadcast_in_dim": _broadcast,
    "argmax": _place_of("ArgMax"),
    "argmin": _place_of("ArgMin"),
    "dim_as_value": _batch,
    "concatenate": _join,
    "cumsum": _running_sum,
    **dict.fromkeys(("reduce_max", "reduce_or"), _sum("ReduceMax")),
    **dict.fromkeys(("reduce_min", "reduce_and"), _sum("ReduceMin")),
    "reduce_prod": _sum("ReduceProd"),
    "reduce_sum": _sum("ReduceSum"),
    "sort": _sorted,
    "stack": _stack,
    "tile": _tile,
    "top_k": _largest,
    "transpose": _transpose,
}
"""By primitive, what writes it."""

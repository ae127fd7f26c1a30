"""What is written for operations on the axes of a value: reshaping, transposing, cutting, joining, summing."""

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

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
    if sizes != [value.shape[axis] for axis in value.order]:
        name = graph.add("Reshape", [name, graph.integers(*(size if isinstance(size, int) else -1 for size in sizes))])
    return Value(name=name, shape=shape, order=order)


def _flattened(graph: Graph, value: Value, shape: tuple[Any, ...], axes: list[int]) -> Value:
    """Returns (batch, features) whose features stay in the graph's order."""
    inner = [axis for axis in value.order if axis in axes]
    name = graph.add("Reshape", [value.name, graph.integers(-1, shape[1])])
    mixed = tuple(value.shape[axis] for axis in axes), tuple(axes.index(axis) for axis in inner)
    return Value(name=name, shape=shape, order=(0, 1), mixed=mixed)


def _filled(axes: list[int], rank: int) -> Order:
    """Returns an order of all axes, those of length 1 among them, that has `axes` in this order."""
    wanted = channels_first(rank)
    if [axis for axis in wanted if axis in axes] == axes:
        return wanted
    return (*axes, *(axis for axis in range(rank) if axis not in axes))


def _groups(before: tuple[Any, ...], after: tuple[Any, ...]) -> list[Group]:
    """Returns the groups of axes of two shapes; axes of length 1 are in none.

    Raises:
        NoCounterpartError: if the batch is merged with another axis.
    """
    left = [axis for axis, size in enumerate(before) if size != 1]
    right = [axis for axis, size in enumerate(after) if size != 1]
    groups: list[Group] = []
    while left or right:
        a, b = [left.pop(0)], [right.pop(0)]
        if not (isinstance(before[a[0]], int) and isinstance(after[b[0]], int)):
            if before[a[0]] != after[b[0]]:
                raise NoCounterpartError("a reshape of the batch")
            groups.append((a, b))
            continue
        while (m := math.prod(before[axis] for axis in a)) != (n := math.prod(after[axis] for axis in b)):
            (a if m < n else b).append((left if m < n else right).pop(0))
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


def _transpose(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:
    value, axes = graph.plain(inputs[0]), list(equation.params["permutation"])
    return dataclasses.replace(
        value,
        shape=equation.outvars[0].aval.shape,
        order=tuple(axes.index(axis) for axis in value.order),
        thin=frozenset(axes.index(axis) for axis in value.thin),
    )


def _sum(op: str) -> Emitter:
    def emit(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:
        value, axes = graph.plain(graph.full(inputs[0])), equation.params["axes"]
        places = sorted(value.order.index(axis) for axis in axes)
        name = graph.add(op, [value.name, graph.integers(*places)], keepdims=0)
        left = [axis for axis in range(value.rank) if axis not in axes]
        order = tuple(left.index(axis) for axis in value.order if axis in left)
        return Value(name=name, shape=equation.outvars[0].aval.shape, order=order)

    return emit


def _join(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:
    values = [graph.plain(graph.full(value)) for value in inputs]
    order = next(value.order for value in values if value.known is None)
    names = [graph.ordered(value, order) for value in values]
    name = graph.add("Concat", names, axis=order.index(equation.params["dimension"]))
    return Value(name=name, shape=equation.outvars[0].aval.shape, order=order)


def cut(graph: Graph, value: Value, spans: Mapping[int, tuple[int, int, int]], shape: Sequence[Any]) -> Value:
    """Returns a part of a value: by axis, where it begins, where it ends, and how far its cells are apart."""
    value = graph.plain(graph.full(value))
    if not spans:
        return value
    starts, ends, steps = zip(*spans.values(), strict=True)
    places = [value.order.index(axis) for axis in spans]
    names = [value.name, *(graph.integers(*numbers) for numbers in (starts, ends, places, steps))]
    return Value(name=graph.add("Slice", names), shape=tuple(shape), order=value.order)


def _slice(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:
    given, shape = equation.params, inputs[0].shape
    steps = given["strides"] or (1,) * len(shape)
    spans = zip(given["start_indices"], given["limit_indices"], steps, strict=True)
    parts = {axis: span for axis, span in enumerate(spans) if span != (0, shape[axis], 1)}
    return cut(graph, inputs[0], parts, equation.outvars[0].aval.shape)


def _gather(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:
    """Writes the gather that is one part of a value, at a place that is known."""
    value, place = inputs
    numbers, sizes = equation.params["dimension_numbers"], equation.params["slice_sizes"]
    whole = numbers.offset_dims == tuple(range(value.rank)) and not numbers.operand_batching_dims
    if place.known is None or place.rank != 1 or not whole:
        raise NoCounterpartError("gather")
    return _part(graph, equation, value, dict(zip(numbers.start_index_map, place.known.tolist(), strict=True)), sizes)


def _dynamic_slice(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:
    value, *starts = inputs
    if any(start.known is None for start in starts):
        raise NoCounterpartError("dynamic_slice")
    places = {axis: int(start.known) for axis, start in enumerate(starts) if start.known is not None}
    return _part(graph, equation, value, places, equation.params["slice_sizes"])


def _part(graph: Graph, equation: Any, value: Value, places: Mapping[int, int], sizes: Sequence[Any]) -> Value:
    cuts = {axis: place for axis, place in places.items() if sizes[axis] != value.shape[axis]}
    spans = {axis: (place, place + sizes[axis], 1) for axis, place in cuts.items()}
    return cut(graph, value, spans, equation.outvars[0].aval.shape)


def _reverse(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:
    spans = dict.fromkeys(equation.params["dimensions"], (-1, -(2**31), -1))
    return cut(graph, inputs[0], spans, equation.outvars[0].aval.shape)


def _pad(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:
    around = [(int(low), int(high), int(inside)) for low, high, inside in equation.params["padding_config"]]
    value, filling = graph.plain(graph.full(inputs[0])), inputs[1]
    if not any(map(any, around)):
        return value
    if any(inside for _, _, inside in around) or filling.known is None:
        raise NoCounterpartError("pad, between the cells of a value")
    pads = [around[axis][end] for end in (0, 1) for axis in value.order]
    filled = graph.constant(filling.known.reshape(()))
    name = graph.add("Pad", [value.name, graph.integers(*pads), filled])
    return Value(name=name, shape=equation.outvars[0].aval.shape, order=value.order)


AXES: Mapping[str, Emitter] = {
    **dict.fromkeys(("expand_dims", "reshape", "squeeze"), _reshape),
    "broadcast_in_dim": _broadcast,
    "concatenate": _join,
    "dynamic_slice": _dynamic_slice,
    "gather": _gather,
    "pad": _pad,
    "reduce_max": _sum("ReduceMax"),
    "reduce_min": _sum("ReduceMin"),
    "reduce_prod": _sum("ReduceProd"),
    "reduce_sum": _sum("ReduceSum"),
    "rev": _reverse,
    "slice": _slice,
    "transpose": _transpose,
}
"""By primitive, what writes it."""

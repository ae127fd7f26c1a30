"""What is written for operations that take parts of a value, or put cells around it."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxcnn.exporting.onnx.axes import reshaped, transposed
from jaxcnn.exporting.onnx.elementwise import Emitter
from jaxcnn.exporting.onnx.graph import Graph, NoCounterpartError, Value, is_sized

Span = tuple[int, int, int]
"""Where a part begins and ends along an axis, and how far its cells are apart."""


def cut(graph: Graph, value: Value, spans: Mapping[int, Span], shape: Sequence[Any]) -> Value:
    """Returns the part of a value that has these spans.

    Args:
        graph: that is written.
        value: the whole.
        spans: by axis; the other axes are whole.
        shape: of the part.

    Raises:
        NoCounterpartError: for a span that is computed from the size of the batch.
    """
    value = graph.plain(graph.full(value))
    if not spans:
        return value
    starts, ends, steps = zip(*(_from_the_end(value.shape[axis], span) for axis, span in spans.items()), strict=True)
    places = [value.order.index(axis) for axis in spans]
    names = [value.name, *(graph.integers(*numbers) for numbers in (starts, ends, places, steps))]
    return Value(name=graph.add("Slice", names), shape=tuple(shape), order=value.order)


def _from_the_end(size: Any, span: Span) -> Span:
    """Returns a span whose ends are numbers, those of the batch counted from its last image."""
    start, end, step = span
    if is_sized(span):
        return span
    before, behind = (place if is_sized([place]) else place - size for place in (start, end))
    if not is_sized([before, behind]) or behind > 0 or (before == 0 and before is not start):
        raise NoCounterpartError("a part whose place is computed from the size of the batch")
    return before, behind or 2**31 - 1, step


def part(graph: Graph, value: Value, starts: Mapping[int, int], sizes: Sequence[Any]) -> Value:
    """Returns the part of a value that begins at `starts` and has these sizes.

    Args:
        graph: that is written.
        value: the whole.
        starts: by axis; not needed for one that is whole.
        sizes: of all axes of the part.
    """
    cuts = {axis: start for axis, start in starts.items() if sizes[axis] != value.shape[axis]}
    return cut(graph, value, {axis: (start, start + sizes[axis], 1) for axis, start in cuts.items()}, sizes)


def _slice(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:
    given, shape = equation.params, inputs[0].shape
    steps = given["strides"] or (1,) * len(shape)
    spans = zip(given["start_indices"], given["limit_indices"], steps, strict=True)
    parts = {axis: span for axis, span in enumerate(spans) if span != (0, shape[axis], 1)}
    return cut(graph, inputs[0], parts, equation.outvars[0].aval.shape)


def _dynamic_slice(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:
    value, *starts = inputs
    sizes = equation.params["slice_sizes"]
    places = {axis: start.known for axis, start in enumerate(starts) if sizes[axis] != value.shape[axis]}
    if any(place is None for place in places.values()):
        raise NoCounterpartError("a part at a place that is computed")
    return part(graph, value, {axis: int(place) for axis, place in places.items() if place is not None}, sizes)


def _split(graph: Graph, equation: Any, inputs: Sequence[Value]) -> list[Value]:
    sizes, axis = equation.params["sizes"], equation.params["axis"]
    value = graph.plain(graph.full(inputs[0]))
    given = [value.name, graph.integers(*sizes)]
    names = graph.several("Split", given, len(sizes), axis=value.order.index(axis))
    outputs = zip(names, equation.outvars, strict=True)
    return [Value(name=name, shape=output.aval.shape, order=value.order) for name, output in outputs]


def _reverse(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:
    spans = dict.fromkeys(equation.params["dimensions"], (-1, -(2**31), -1))
    return cut(graph, inputs[0], spans, equation.outvars[0].aval.shape)


def _gather(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:
    """Writes a gather at places that are known: of one part, or of cells along some axes."""
    value, index = inputs
    numbers, sizes = equation.params["dimension_numbers"], equation.params["slice_sizes"]
    if index.known is None or index.thin or numbers.operand_batching_dims:
        raise NoCounterpartError("a gather at places that are computed")
    axes, shape = list(numbers.start_index_map), equation.outvars[0].aval.shape
    most = [value.shape[axis] - sizes[axis] for axis in axes]
    if not is_sized(most) or (index.known < 0).any() or (index.known > most).any():
        raise NoCounterpartError("a gather beyond the border, or along the batch")
    if index.rank == 1:
        found = part(graph, value, dict(zip(axes, index.known.tolist(), strict=True)), sizes)
        return reshaped(graph, found, shape)
    others = [axis for axis in range(value.rank) if axis not in axes]
    if set(numbers.collapsed_slice_dims) != set(axes) or any(sizes[axis] != value.shape[axis] for axis in others):
        raise NoCounterpartError("a gather of several parts")
    cells = dict(zip(axes, np.moveaxis(index.known, -1, 0), strict=True))
    lines = _lines(cells)
    found, moved = _grid(graph, value, lines) if lines else _scattered(graph, value, cells)
    new, whole = (axis for axis in range(len(shape)) if axis not in numbers.offset_dims), iter(numbers.offset_dims)
    among = dict(zip(sorted(moved, key=moved.__getitem__), new, strict=True))
    places = [among[axis] if axis in among else next(whole) for axis in range(found.rank)]
    return dataclasses.replace(found, shape=tuple(shape), order=tuple(places[axis] for axis in found.order))


Moved = dict[int, int]
"""By axis of a value that was gathered, which axis of the array of places it is."""


def _grid(graph: Graph, value: Value, lines: Mapping[int, tuple[int, np.ndarray]]) -> tuple[Value, Moved]:
    """Returns the cells at a grid of places, which are `lines` by axis."""
    value = _along(graph, value, {axis: line for axis, (_, line) in lines.items()})
    return value, {axis: place for axis, (place, _) in lines.items()}


def _scattered(graph: Graph, value: Value, cells: Mapping[int, np.ndarray]) -> tuple[Value, Moved]:
    """Returns the cells at any places: their axes become one, and stand last."""
    others = [axis for axis in range(value.rank) if axis not in cells]
    kept, inner = [value.shape[axis] for axis in others], [value.shape[axis] for axis in cells]
    merged = reshaped(graph, transposed(graph, value, [*others, *cells]), [*kept, math.prod(inner)])
    line = np.ravel_multi_index(tuple(cells.values()), inner)
    merged = _along(graph, merged, {len(others): line.reshape(-1)})
    found = graph.plain(reshaped(graph, merged, [*kept, *line.shape]))
    return found, {len(others) + place: place for place in range(line.ndim)}


def _lines(places: Mapping[int, np.ndarray]) -> dict[int, tuple[int, np.ndarray]] | None:
    """Returns, by axis, along which axis of a grid its places change, and them; None if they are no grid."""
    rank = next(iter(places.values())).ndim
    if rank != len(places):
        return None
    free, lines = set(range(rank)), {}
    changing = {axis: [k for k in range(rank) if (np.diff(at, axis=k) != 0).any()] for axis, at in places.items()}
    for axis in sorted(places, key=lambda axis: -len(changing[axis])):
        k = next(iter(changing[axis] or sorted(free)))
        if len(changing[axis]) > 1 or k not in free:
            return None
        free.remove(k)
        lines[axis] = k, places[axis][tuple(slice(None) if other == k else 0 for other in range(rank))]
    return lines


def _along(graph: Graph, value: Value, lines: Mapping[int, np.ndarray]) -> Value:
    """Returns the cells of a value at these places, by axis: a part where they are equally far apart."""
    steps = {axis: set(np.diff(line).tolist()) or {1} for axis, line in lines.items()}
    even = {axis: min(each) for axis, each in steps.items() if len(each) == 1 and min(each) > 0}
    spans = {axis: (int(lines[axis][0]), int(lines[axis][-1]) + 1, step) for axis, step in even.items()}
    spans = {axis: span for axis, span in spans.items() if span != (0, value.shape[axis], 1)}
    shape = [len(lines[axis]) if axis in even else size for axis, size in enumerate(value.shape)]
    value = cut(graph, value, spans, shape)
    for axis, line in lines.items():
        if axis not in even:
            shape[axis] = len(line)
            name = graph.add("Gather", [value.name, graph.integers(*line.tolist())], axis=value.order.index(axis))
            value = Value(name=name, shape=tuple(shape), order=value.order)
    return value


def padded(graph: Graph, value: Value, around: Sequence[tuple[int, int, int]], filling: np.ndarray) -> Value:
    """Returns a value with further cells.

    Args:
        graph: that is written.
        value: to be padded.
        around: of each axis, how many cells come before, behind and between its own; negative numbers take cells away.
        filling: () array, what the new cells hold.
    """
    value = graph.plain(graph.full(value))
    for axis, (_, _, inside) in enumerate(around):
        if inside:
            value = _spread(graph, value, axis, inside, filling)
    if not any(before or behind for before, behind, _ in around):
        return value
    pads = [around[axis][end] for end in (0, 1) for axis in value.order]
    name = graph.add("Pad", [value.name, graph.integers(*pads), graph.constant(filling)])
    sizes = [size + before + behind for size, (before, behind, _) in zip(value.shape, around, strict=True)]
    return Value(name=name, shape=tuple(sizes), order=value.order)


def _spread(graph: Graph, value: Value, axis: int, inside: int, filling: np.ndarray) -> Value:
    """Returns a value with cells between those of an axis."""
    size, place = value.shape[axis], value.order.index(axis)
    behind = [0] * value.rank + [0]
    behind[place + 1] = inside
    name = graph.add("Unsqueeze", [value.name, graph.integers(place + 1)])
    name = graph.add("Pad", [name, graph.integers(*[0] * len(behind), *behind), graph.constant(filling)])
    longer = [size * (1 + inside) if other == axis else each for other, each in enumerate(value.shape)]
    wide = dataclasses.replace(value, shape=tuple(longer), name=name)
    sizes = [wide.shape[other] if isinstance(wide.shape[other], int) else -1 for other in value.order]
    wide = dataclasses.replace(wide, name=graph.add("Reshape", [name, graph.integers(*sizes)]))
    end = (size - 1) * (1 + inside) + 1
    return cut(graph, wide, {axis: (0, end, 1)}, [end if other == axis else each for other, each in enumerate(longer)])


def _pad(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:
    filling = inputs[1].known
    if filling is None:
        raise NoCounterpartError("padding with a value that is computed")
    if not all(map(is_sized, equation.params["padding_config"])):
        raise NoCounterpartError("padding by amounts that are computed from the size of the batch")
    return padded(graph, inputs[0], equation.params["padding_config"], filling.reshape(()))


PARTS: Mapping[str, Emitter] = {
    "dynamic_slice": _dynamic_slice,
    "gather": _gather,
    "pad": _pad,
    "rev": _reverse,
    "slice": _slice,
    "split": _split,
}
"""By primitive, what writes it."""

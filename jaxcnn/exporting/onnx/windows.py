"""What is written for convolutions, pooling and matrix products."""

import math
import string
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxcnn.exporting.onnx.axes import channels_first
from jaxcnn.exporting.onnx.elementwise import Emitter
from jaxcnn.exporting.onnx.graph import Graph, NoCounterpartError, Order, Value
from jaxcnn.exporting.onnx.parts import padded


def _pads(pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Returns padding as ONNX has it: all beginnings, then all ends."""
    if any(min(pair) < 0 for pair in pairs):
        raise NoCounterpartError("negative padding of a window")
    return [int(low) for low, _ in pairs] + [int(high) for _, high in pairs]


def _convolution(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:
    """Writes a convolution. What is called transposed has zeros between the cells of its image, which are written."""
    given, (image, kernel) = equation.params, map(graph.full, inputs)
    numbers, around = given["dimension_numbers"], given["padding"]
    if given["batch_group_count"] != 1:
        raise NoCounterpartError("a convolution with groups of examples")
    if any(step != 1 for step in given["lhs_dilation"]) or any(min(pair) < 0 for pair in around):
        spread = zip(numbers.lhs_spec[2:], around, given["lhs_dilation"], strict=True)
        cells = {axis: (low, high, step - 1) for axis, (low, high), step in spread}
        wanted = [cells.get(axis, (0, 0, 0)) for axis in range(image.rank)]
        image = padded(graph, image, wanted, np.zeros((), np.float32))
        around = [(0, 0)] * len(around)
    name = graph.add(
        "Conv",
        [graph.ordered(image, numbers.lhs_spec), graph.ordered(kernel, numbers.rhs_spec)],
        kernel_shape=[kernel.shape[axis] for axis in numbers.rhs_spec[2:]],
        strides=list(given["window_strides"]),
        pads=_pads(around),
        dilations=list(given["rhs_dilation"]),
        group=given["feature_group_count"],
    )
    return Value(name=name, shape=equation.outvars[0].aval.shape, order=numbers.out_spec)


def _product(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:
    """Writes (..., in) times (in, out), or another product as Einsum.

    The rows of a known matrix follow features that were flattened.
    """
    (left, right), batched = equation.params["dimension_numbers"]
    x, matrix = map(graph.full, inputs)
    shape = equation.outvars[0].aval.shape
    if any(batched) or left != (x.rank - 1,) or len(right) != 1 or matrix.rank != 2 or x.known is not None:
        return _einsum(graph, equation, graph.plain(x), graph.plain(matrix))
    columns = (right[0], 1 - right[0])
    if x.mixed and matrix.known is not None:
        sizes, order = x.mixed
        rows = matrix.known.transpose(columns)
        mixed = rows.reshape(*sizes, -1).transpose(*order, len(sizes)).reshape(rows.shape)
        factor, factors = x.name, graph.constant(mixed, matrix.hint)
    else:
        factor, factors = graph.ordered(x, tuple(range(x.rank))), graph.ordered(matrix, columns)
    name = graph.add("Gemm" if x.rank == 2 else "MatMul", [factor, factors])
    return Value(name=name, shape=shape, order=tuple(range(x.rank)))


def _einsum(graph: Graph, equation: Any, a: Value, b: Value) -> Value:
    """Writes any product; its axes are batched, then those of `a`, then those of `b`."""
    (left, right), (batched, also) = equation.params["dimension_numbers"]
    letters = iter(string.ascii_lowercase)
    of_a = [next(letters) for _ in range(a.rank)]
    of_b = [next(letters) for _ in range(b.rank)]
    for here, there in zip((*left, *batched), (*right, *also), strict=True):
        of_b[there] = of_a[here]
    free = [of_a[axis] for axis in range(a.rank) if axis not in (*left, *batched)]
    free += [of_b[axis] for axis in range(b.rank) if axis not in (*right, *also)]
    output = [*(of_a[axis] for axis in batched), *free]
    terms = ["".join(names[axis] for axis in each.order) for names, each in ((of_a, a), (of_b, b))]
    names = [graph.ordered(each, each.order) for each in (a, b)]
    name = graph.add("Einsum", names, equation=f"{terms[0]},{terms[1]}->{''.join(output)}")
    return Value(name=name, shape=equation.outvars[0].aval.shape, order=tuple(range(len(output))))


def _pool(op: str, *, least: bool = False, **attributes: int) -> Emitter:
    """Returns what writes pooling; `least`: of what is smallest, as the largest of what is negated."""

    def emit(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:
        given, value = equation.params, graph.full(inputs[0])
        order = _window_order(given, value.rank)
        axes, dilated = order[2:], {}
        window = [int(given["window_dimensions"][axis]) for axis in axes]
        if any(step != 1 for step in given["window_dilation"]):
            dilated = {"dilations": [int(given["window_dilation"][axis]) for axis in axes]}
        if any(step != 1 for step in given["base_dilation"]) or (dilated and op != "MaxPool"):
            raise NoCounterpartError("pooling with cells between those of the image or the window")
        name = graph.ordered(value, order)
        if least:
            name = graph.add("Neg", [name])
        name = graph.add(
            op,
            [name],
            kernel_shape=window,
            strides=[int(given["window_strides"][axis]) for axis in axes],
            pads=_pads([given["padding"][axis] for axis in axes]),
            **dilated,
            **attributes,
        )
        if op == "AveragePool":  # the jaxpr has the sum
            name = graph.add("Mul", [name, graph.constant(np.array(math.prod(window), np.float32))])
        if least:
            name = graph.add("Neg", [name])
        return Value(name=name, shape=equation.outvars[0].aval.shape, order=order)

    return emit


def _window_order(given: Mapping[str, Any], rank: int) -> Order:
    """Returns an order whose first two axes have no windows: where height and width alone have, channels first."""
    trivial = zip(given["window_dimensions"], given["window_strides"], given["padding"], strict=True)
    windowed = [axis for axis, window in enumerate(trivial) if window != (1, 1, (0, 0))]
    if rank < 3 or len(windowed) > rank - 2:
        raise NoCounterpartError(f"pooling of {len(windowed)} of {rank} axes")
    if rank == 4 and set(windowed) <= {1, 2}:
        return channels_first(rank)
    others = [axis for axis in range(rank) if axis not in windowed]
    return (*others[:2], *sorted([*others[2:], *windowed]))


WINDOWS: Mapping[str, Emitter] = {
    "conv_general_dilated": _convolution,
    "dot_general": _product,
    "reduce_window_max": _pool("MaxPool"),
    "reduce_window_min": _pool("MaxPool", least=True),
    "reduce_window_sum": _pool("AveragePool", count_include_pad=1),
}
"""By primitive, what writes it."""

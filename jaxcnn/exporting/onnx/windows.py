"""What is written for convolutions, pooling and matrix products."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxcnn.exporting.onnx.axes import channels_first
from jaxcnn.exporting.onnx.elementwise import Emitter
from jaxcnn.exporting.onnx.graph import Graph, NoCounterpartError, Order, Value


def _pads(pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Returns padding as ONNX has it: all beginnings, then all ends."""
    if any(min(pair) < 0 for pair in pairs):
        raise NoCounterpartError("negative padding of a window")
    return [int(low) for low, _ in pairs] + [int(high) for _, high in pairs]


def _convolution(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:
    given, (image, kernel) = equation.params, map(graph.full, inputs)
    numbers = given["dimension_numbers"]
    if any(step != 1 for step in given["lhs_dilation"]) or given["batch_group_count"] != 1:
        raise NoCounterpartError("a transposed convolution, or one with groups of examples")
    weights = graph.ordered(kernel, numbers.rhs_spec)
    name = graph.add(
        "Conv",
        [graph.ordered(image, numbers.lhs_spec), weights],
        kernel_shape=[kernel.shape[axis] for axis in numbers.rhs_spec[2:]],
        strides=list(given["window_strides"]),
        pads=_pads(given["padding"]),
        dilations=list(given["rhs_dilation"]),
        group=given["feature_group_count"],
    )
    return Value(name=name, shape=equation.outvars[0].aval.shape, order=numbers.out_spec)


def _product(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:
    """Writes (..., in) times (in, out). The rows of a known matrix follow features that were flattened."""
    (left, right), batched = equation.params["dimension_numbers"]
    x, matrix = map(graph.full, inputs)
    if any(batched) or left != (x.rank - 1,) or len(right) != 1 or matrix.rank != 2:
        raise NoCounterpartError("a matrix product of this kind")
    columns = (right[0], 1 - right[0])
    if x.mixed and matrix.known is not None:
        sizes, order = x.mixed
        rows = matrix.known.transpose(columns)
        mixed = rows.reshape(*sizes, -1).transpose(*order, len(sizes)).reshape(rows.shape)
        factor, factors = x.name, graph.constant(mixed, matrix.hint)
    else:
        factor, factors = graph.ordered(x, tuple(range(x.rank))), graph.ordered(matrix, columns)
    name = graph.add("Gemm" if x.rank == 2 else "MatMul", [factor, factors])
    return Value(name=name, shape=equation.outvars[0].aval.shape, order=tuple(range(x.rank)))


def _pool(op: str, **attributes: int) -> Emitter:
    def emit(graph: Graph, equation: Any, inputs: Sequence[Value]) -> Value:
        given, value = equation.params, graph.full(inputs[0])
        order = _window_order(given, value.rank)
        axes = order[-2:]
        window = [int(given["window_dimensions"][axis]) for axis in axes]
        name = graph.add(
            op,
            [graph.ordered(value, order)],
            kernel_shape=window,
            strides=[int(given["window_strides"][axis]) for axis in axes],
            pads=_pads([given["padding"][axis] for axis in axes]),
            **attributes,
        )
        if op == "AveragePool":  # the jaxpr has the sum
            name = graph.add("Mul", [name, graph.constant(np.array(math.prod(window), np.float32))])
        return Value(name=name, shape=equation.outvars[0].aval.shape, order=order)

    return emit


def _window_order(given: Mapping[str, Any], rank: int) -> Order:
    """Returns the order that has the axes with windows last."""
    spread = [*given["base_dilation"], *given["window_dilation"]]
    trivial = zip(given["window_dimensions"], given["window_strides"], given["padding"], strict=True)
    windowed = [axis for axis, window in enumerate(trivial) if window != (1, 1, (0, 0))]
    if any(step != 1 for step in spread) or rank != 4 or len(windowed) > 2:
        raise NoCounterpartError("a window of this kind")
    if set(windowed) <= {1, 2}:
        return channels_first(rank)
    last = windowed if len(windowed) == 2 else [2 if windowed != [2] else 1, *windowed]
    return (*(axis for axis in range(rank) if axis not in last), *last)


WINDOWS: Mapping[str, Emitter] = {
    "conv_general_dilated": _convolution,
    "dot_general": _product,
    "reduce_window_max": _pool("MaxPool"),
    "reduce_window_sum": _pool("AveragePool", count_include_pad=1),
}
"""By primitive, what writes it."""

"""Removes what no output needs, and joins nodes of a graph that are one operation of ONNX."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from onnx import NodeProto

from jaxcnn.exporting.onnx.graph import Graph


def tidy(graph: Graph, outputs: Sequence[str]) -> None:
    """Puts biases into convolutions and matrix products, and the sums of pooling and their division together.

    Args:
        graph: is changed.
        outputs: names of the tensors that are kept, with all that they need.
    """
    _prune(graph, outputs)
    readers = Counter(name for node in graph.nodes for name in node.input)
    makers = {name: node for node in graph.nodes for name in node.output}
    for node in graph.nodes:
        if node.op_type in ("Add", "Div") and (found := _known_and_not(graph, node)):
            constant, other = found
            before = makers.get(other) if readers[other] == 1 else None
            if before is None:
                continue
            if node.op_type == "Add":
                joined = _biased(graph, before, constant)
            else:
                alone = readers[before.input[0]] == 1
                joined = _divided(graph, before, makers.get(before.input[0]) if alone else None, constant)
            if joined:  # this node's output is then that of a node before it, and nobody needs what it was itself
                makers[node.output[0]] = joined
                joined.output[0], node.output[0] = node.output[0], ""
    _prune(graph, outputs)


def _prune(graph: Graph, outputs: Sequence[str]) -> None:
    """Removes nodes that no output needs."""
    needed = set(outputs)
    for node in reversed(graph.nodes):
        if needed.intersection(node.output):
            needed.update(node.input)
    graph.nodes[:] = [node for node in graph.nodes if needed.intersection(node.output)]


def _known_and_not(graph: Graph, node: NodeProto) -> tuple[str, str] | None:
    """Returns the constant among a node's two inputs, and the other one; of a division, the divisor."""
    a, b = node.input
    if b in graph.constants:
        return b, a
    return (a, b) if a in graph.constants and node.op_type == "Add" else None


def _biased(graph: Graph, before: NodeProto, name: str) -> NodeProto | None:
    """Puts a constant into a node, if it is a bias there; returns the node if it is."""
    bias, kernel = graph.constants[name], graph.constants.get(before.input[1] if len(before.input) == 2 else "")
    axis = {"Conv": 0, "Gemm": 1}.get(before.op_type)
    if axis is None or kernel is None or bias.ndim < 2 or not bias.shape[1] == bias.size == kernel.shape[axis]:
        return None
    before.input.append(graph.constant(bias.reshape(-1), name))
    return before


def _divided(graph: Graph, before: NodeProto, pool: NodeProto | None, name: str) -> NodeProto | None:
    """Divides the sum of a pooling, its mean times a number; returns the node whose output is then the quotient."""
    if before.op_type != "Mul" or before.input[1] not in graph.constants:
        return None
    if pool is None or pool.op_type != "AveragePool":
        return None
    factor = graph.constants[before.input[1]] / graph.constants[name]
    if (factor == 1).all():
        return pool
    before.input[1] = graph.constant(np.asarray(factor, np.float32))
    return before

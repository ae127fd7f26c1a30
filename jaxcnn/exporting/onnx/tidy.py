"""Joins nodes of a graph that are one operation of ONNX."""

from collections import Counter

import numpy as np
from onnx import NodeProto

from jaxcnn.exporting.onnx.graph import Graph


def tidy(graph: Graph) -> None:
    """Puts biases into convolutions and matrix products, and the sums of pooling and their division together."""
    for node in list(graph.nodes):
        if node.op_type in ("Add", "Div") and (found := _known_and_not(graph, node)):
            constant, other = found
            before = _only_before(graph, other)
            if before is not None and (_biased if node.op_type == "Add" else _divided)(graph, before, node, constant):
                graph.nodes.remove(node)


def _known_and_not(graph: Graph, node: NodeProto) -> tuple[str, str] | None:
    """Returns the constant among a node's two inputs, and the other one; of a division, the divisor."""
    a, b = node.input
    if b in graph.constants:
        return b, a
    return (a, b) if a in graph.constants and node.op_type == "Add" else None


def _only_before(graph: Graph, name: str) -> NodeProto | None:
    """Returns the node that makes a tensor which one node alone reads."""
    readers = Counter(each for node in graph.nodes for each in node.input)[name]
    return next((node for node in graph.nodes if name in node.output), None) if readers == 1 else None


def _biased(graph: Graph, before: NodeProto, node: NodeProto, name: str) -> bool:
    """Puts a constant into the node before it, if it is a bias there; returns whether it is."""
    bias, axis = graph.constants[name], {"Conv": 1, "Gemm": 1}.get(before.op_type)
    if axis is None or len(before.input) != 2 or bias.ndim < 2 or bias.shape[axis] != bias.size:
        return False
    before.input.append(graph.constant(bias.reshape(-1), name))
    before.output[0] = node.output[0]
    return True


def _divided(graph: Graph, before: NodeProto, node: NodeProto, name: str) -> bool:
    """Divides the factor of the multiplication before a division; returns whether there is one."""
    if before.op_type != "Mul" or before.input[1] not in graph.constants:
        return False
    factor = graph.constants[before.input[1]] / graph.constants[name]
    source = next((each for each in graph.nodes if before.input[0] in each.output), None)
    if source is not None and (factor == 1).all():
        source.output[0] = node.output[0]
        graph.nodes.remove(before)
    else:
        before.input[1] = graph.constant(np.asarray(factor, np.float32))
        before.output[0] = node.output[0]
    return True

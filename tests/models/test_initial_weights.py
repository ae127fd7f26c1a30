"""Initial weights are drawn in a row: in the shape of a small kernel, XLA for a CPU takes seconds to compile a draw."""

import re

import jax
import jax.numpy as jnp
import pytest

from jaxcnn.models import create_model
from tests.models.tiny import TINY

DRAW = re.compile(r"random_bits\[[^\]]*shape=\(([^)]*)\)")


@pytest.mark.parametrize("family", TINY)
def test_weights_are_drawn_in_a_row(family):
    tiny = TINY[family]
    program = str(jax.make_jaxpr(tiny.model().init)(jax.random.key(0), jnp.zeros((1, tiny.size, tiny.size, 3))))
    shapes = [[size for size in shape.split(",") if size] for shape in DRAW.findall(program)]
    assert any(shapes)
    assert all(len(shape) <= 1 for shape in shapes)


def test_the_last_convolution_of_a_pre_activation_bottleneck_can_begin_at_zero():
    fields = {"num_classes": 3, "stage_sizes": (1,), "features": 4, "zero_init_last": True}
    params = create_model("preact_resnet164", **fields).init(jax.random.key(0), jnp.zeros((1, 8, 8, 3)))["params"]
    assert not params["stage1_block1"]["conv3"]["kernel"].any()
    assert params["stage1_block1"]["conv2"]["kernel"].any()

"""Initial weights are drawn in a row: in the shape of a small kernel, XLA for a CPU takes seconds to compile a draw."""

import re

import jax
import jax.numpy as jnp
import pytest

from tests.models.tiny import TINY

DRAW = re.compile(r"random_bits\[[^\]]*shape=\(([^)]*)\)")


@pytest.mark.parametrize("family", TINY)
def test_weights_are_drawn_in_a_row(family):
    tiny = TINY[family]
    program = str(jax.make_jaxpr(tiny.model().init)(jax.random.key(0), jnp.zeros((1, tiny.size, tiny.size, 3))))
    shapes = [[size for size in shape.split(",") if size] for shape in DRAW.findall(program)]
    assert any(shapes)
    assert all(len(shape) <= 1 for shape in shapes)

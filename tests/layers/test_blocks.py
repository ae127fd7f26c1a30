"""A convolution and its norm as one; paths that are dropped or scaled up; loops."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.layers import blocks
from jaxcnn.layers.blocks import ConvNorm
from jaxcnn.layers.conv import Conv
from jaxcnn.layers.norm import BatchNorm


class Pair(nn.Module):
    """A convolution and a norm, as one or one after the other."""

    together: bool
    norm: type[nn.Module]

    @nn.compact
    def __call__(self, x):
        conv, norm = Conv(8, 3, name="conv"), self.norm(name="norm")
        return ConvNorm(conv, norm, name="conv_norm")(x) if self.together else norm(conv(x))


@pytest.mark.parametrize("norm", [BatchNorm, nn.LayerNorm])
def test_a_convolution_and_its_norm_as_one_have_their_own_names(norm):
    x = jnp.asarray(np.random.default_rng(0).normal(size=(4, 3, 5, 3)), jnp.float32)
    variables, expected = (Pair(together, norm).init(jax.random.key(0), x) for together in (True, False))
    jax.tree.map(np.testing.assert_array_equal, variables, expected)
    found, expected = (Pair(together, norm).apply(variables, x, mutable=True) for together in (True, False))
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_drop_path_drops_whole_examples_and_scales_the_others_up():
    x = jnp.ones((4, 2, 2, 3), jnp.bfloat16)
    y = blocks.drop_path(x, jnp.array([0.0, 0.74, 0.75, 0.99]), 0.25)
    assert y.dtype == x.dtype
    np.testing.assert_array_equal(y.mean((1, 2, 3)), jnp.array([4 / 3, 4 / 3, 0, 0], jnp.bfloat16))


class _Dropped(nn.Module):
    """Drops half of what it is given, twice in a loop."""

    @nn.compact
    def __call__(self, x):
        return blocks.repeat(nn.Dropout(0.5, deterministic=False, name="stage1_rest"), x, 2)


def test_each_turn_of_a_loop_drops_units_of_its_own():
    """Half of the half that the first turn leaves is left."""
    y = _Dropped().apply({}, jnp.ones((1, 400)), rngs={"dropout": jax.random.key(0)})
    assert abs(float((y > 0).mean()) - 0.25) < 0.1

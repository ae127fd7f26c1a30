"""`normed` is norm(conv(x)), whatever the two are; a path is dropped or scaled up."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.layers import blocks
from jaxcnn.layers.blocks import normed
from jaxcnn.layers.conv import Conv
from jaxcnn.layers.norm import BatchNorm
from jaxcnn.layers.norm_choice import make_norm


class Pair(nn.Module):
    """A convolution and a norm, by `normed` or one after the other."""

    together: bool
    train: bool = True
    word: str = "batch"
    dtype: str = "bfloat16"
    size: int = 1
    strides: int = 1
    padding: str = "same"
    use_bias: bool = False
    examples: int | None = None

    @nn.compact
    def __call__(self, x):
        conv = Conv(8, self.size, self.strides, self.padding, use_bias=self.use_bias, dtype=self.dtype, name="conv")
        options = {"examples": self.examples} if self.examples else {}
        norm = make_norm(self.word, train=self.train, dtype=self.dtype, options=options)(name="norm")
        return normed(x, conv, norm) if self.together else norm(conv(x))


@pytest.mark.parametrize(
    ("fields", "folds"),
    [
        ({}, True),
        ({"padding": "valid"}, True),
        ({"examples": 4}, True),
        ({"examples": 2}, False),
        ({"train": False}, False),
        ({"dtype": "float32"}, False),
        ({"word": "group"}, False),
        ({"size": 3}, False),
        ({"strides": 2}, False),
        ({"use_bias": True}, False),
    ],
)
def test_normed_is_one_after_the_other(monkeypatch, fields, folds):
    seen = []
    take = BatchNorm.__call__
    monkeypatch.setattr(BatchNorm, "__call__", lambda self, x, *kernel: seen.append(kernel) or take(self, x, *kernel))
    x = jnp.asarray(np.random.default_rng(0).normal(size=(4, 3, 5, 3)), fields.get("dtype", "bfloat16"))
    variables = Pair(True, **fields).init(jax.random.key(0), x)
    expected = Pair(False, **fields).init(jax.random.key(0), x)
    jax.tree.map(np.testing.assert_array_equal, variables, expected)
    seen.clear()
    ours = Pair(True, **fields).apply(variables, x, mutable=["batch_stats"])
    assert any(seen) == folds
    expected = Pair(False, **fields).apply(variables, x, mutable=["batch_stats"])
    for own, other in zip(jax.tree.leaves(ours), jax.tree.leaves(expected), strict=True):
        assert own.dtype == other.dtype
        np.testing.assert_allclose(own.astype("float32"), other.astype("float32"), atol=0.02)


def test_a_norm_of_another_make_is_called():
    class Own(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.BatchNorm(use_running_average=True)(normed(x, Conv(8, 1, use_bias=False), nn.LayerNorm()))

    assert Own().init_with_output(jax.random.key(0), jnp.ones((1, 2, 2, 3)))[0].shape == (1, 2, 2, 8)
    assert not blocks.pays("float32", 3, 8)


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

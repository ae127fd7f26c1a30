"""The Inception families: the modules' arithmetic, their pooling and their auxiliary heads."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.layers.blocks import ConvNormAct
from jaxcnn.layers.conv import Conv
from jaxcnn.layers.norm import Identity
from jaxcnn.layers.pool import ceil_pool
from jaxcnn.models import googlenet, inception_v3
from jaxcnn.models.branches import Mixed
from jaxcnn.ops import pool
from tests.models.tiny import TINY

PLAIN = functools.partial(ConvNormAct, conv=functools.partial(Conv, use_bias=False), norm=Identity, act=None)


def multiply_adds(branches):
    """Returns the multiply-adds of a module on a 28x28x256 map; every convolution keeps its size."""
    module, image = Mixed(branches, unit=PLAIN), jax.ShapeDtypeStruct((1, 28, 28, 256), jnp.float32)
    params = jax.eval_shape(module.init, jax.random.key(0), image)["params"]
    return 28 * 28 * sum(kernel.size for kernel in jax.tree.leaves(params))


def test_reductions_save_two_thirds_of_the_naive_module():
    # The lectures print 358 M for the second, with one 3x3 counted twice; its own layers sum to 271 M.
    assert multiply_adds(googlenet.naive_inception(128, 192, 96)) == 854_196_224
    assert multiply_adds(googlenet.inception(128, 64, 192, 64, 96, 64)) == 271_351_808


@pytest.mark.parametrize(("size", "expected"), [(2, 1), (4, 2), (5, 2), (6, 3), (7, 3)])
def test_a_pool_that_reaches_over_the_border_keeps_the_last_window(size, expected):
    x = jnp.arange(size * size, dtype=jnp.float32).reshape(1, size, size, 1)
    y = ceil_pool().apply({}, x)
    assert y.shape == (1, expected, expected, 1)
    assert y[0, -1, -1, 0] == x[0, -1, -1, 0]


def test_region_means_repeat_where_there_are_too_few_cells_and_overlap_where_they_must():
    x = jnp.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1)
    np.testing.assert_allclose(pool.region_means(x, 4)[0, :, 0, 0], [1, 1, 3, 3])
    x = jnp.arange(3.0).reshape(1, 3, 1, 1)
    np.testing.assert_allclose(pool.region_means(x, 2)[0, :, 0, 0], [0.5, 1.5])


def test_auxiliary_heads_are_made_always_and_run_in_training_only():
    model, x = TINY["googlenet"].model(), jax.ShapeDtypeStruct((2, 16, 16, 3), jnp.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), x)
    assert "auxiliary1" in variables["params"]
    for train in (False, True):
        apply = functools.partial(model.apply, train=train, mutable=["aux_logits"], rngs={"dropout": jax.random.key(1)})
        sown = jax.eval_shape(apply, {"params": variables["params"]}, x)[1]
        assert bool(sown) == train


class _Watched(nn.Module):
    """Stands for a convolution, norm and activation: gives the first channel that it is given, so many times."""

    features: int
    kernel_size: int = 3
    padding: int = 0

    @nn.compact
    def __call__(self, x):
        self.sow("seen", "x", x)
        return jnp.repeat(x[..., :1], self.features, axis=-1)


def test_the_auxiliary_head_of_inception_v3_averages_every_third_cell_of_17():
    rows = jnp.broadcast_to(jnp.arange(17.0)[:, None, None], (1, 17, 17, 1))
    head = inception_v3.AuxiliaryHead(num_classes=2, unit=_Watched, act=None)
    seen = head.init_with_output(jax.random.key(0), rows, train=True, mutable=["params", "seen"])[1]["seen"]
    np.testing.assert_allclose(seen["conv1"]["x"][0][0, :, 0, 0], [2, 5, 8, 11, 14])

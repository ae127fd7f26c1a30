"""The Inception families: the modules' arithmetic, and gradients on nets of a few narrow blocks."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.core import FrozenDict

from jaxcnn.layers.blocks import ConvNormAct
from jaxcnn.layers.conv import Conv
from jaxcnn.layers.norm import NORMS, Identity
from jaxcnn.models import googlenet, inception_v4
from jaxcnn.models.branches import AVG_SAME, BranchNet, Mixed, conv
from jaxcnn.models.inception_v2 import InceptionV2
from jaxcnn.models.inception_v3 import STEM, AuxiliaryHead
from jaxcnn.models.xception import Xception
from jaxcnn.ops import pool
from tests.models import fake

PLAIN = functools.partial(ConvNormAct, conv=functools.partial(Conv, use_bias=False), norm=Identity, act=None)
SPLIT = ((conv(4, (1, 3)),), (conv(4, (3, 1)),))
BLOCK = functools.partial(Mixed, ((conv(4), SPLIT), (AVG_SAME, conv(8))))
RESIDUAL = functools.partial(Mixed, ((conv(4),), (conv(4), conv(8, (1, 7)))), scale=0.2)
NETS = {
    "googlenet": functools.partial(
        googlenet.GoogLeNet,
        stages=((functools.partial(Mixed, googlenet.inception(8, 4, 8, 4, 8, 8)),), (BLOCK,)),
        heads=FrozenDict(stage1_block1=googlenet.AuxiliaryHead),
    ),
    "inception_v2": functools.partial(InceptionV2, stages=((BLOCK,), (BLOCK,))),
    "inception_v3": functools.partial(
        BranchNet, stem_steps=STEM, stages=((BLOCK,),), heads=FrozenDict(stage1_block1=AuxiliaryHead)
    ),
    "inception_resnet": functools.partial(BranchNet, stem_steps=inception_v4.STEM_V4, stages=((BLOCK, RESIDUAL),)),
    "xception": functools.partial(Xception, entry=(8, 16), middle=1, exit=((16, 24), (24, 32)), dropout_rate=0.0),
}


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
def test_max_pool_ceil_keeps_the_last_window(size, expected):
    x = jnp.arange(size * size, dtype=jnp.float32).reshape(1, size, size, 1)
    y = pool.max_pool_ceil(x)
    assert y.shape == (1, expected, expected, 1)
    assert y[0, -1, -1, 0] == x[0, -1, -1, 0]


def test_region_means_repeat_where_there_are_too_few_cells_and_overlap_where_they_must():
    x = jnp.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1)
    np.testing.assert_allclose(pool.region_means(x, 4)[0, :, 0, 0], [1, 1, 3, 3])
    x = jnp.arange(3.0).reshape(1, 3, 1, 1)
    np.testing.assert_allclose(pool.region_means(x, 2)[0, :, 0, 0], [0.5, 1.5])


PAIRS = [
    pytest.param(name, norm, marks=() if (i + j) % len(NETS) == 0 else pytest.mark.slow)
    for i, name in enumerate(sorted(NETS))
    for j, norm in enumerate(sorted(NORMS))
]


@pytest.mark.parametrize(("name", "norm"), PAIRS)
def test_every_kernel_receives_a_finite_gradient(name, norm):
    model = NETS[name](num_classes=3, norm=norm, stem="small")
    size = 20 if name == "inception_v3" else 16  # from 20 on, the head's last map has more than one cell
    x = jax.random.normal(jax.random.key(0), (4, size, size, 3), jnp.float32)
    variables = fake.variables(model, x)
    stats = {"batch_stats": variables.get("batch_stats", {})}

    @jax.jit
    def gradient(params):
        def loss(params):
            logits, updated = model.apply(
                {"params": params} | stats,
                x,
                train=True,
                mutable=["batch_stats", "aux_logits"],
                rngs={"dropout": jax.random.key(1)},
            )
            return sum(jnp.sum(jnp.square(y - 1.0)) for y in [logits, *jax.tree.leaves(updated.get("aux_logits", {}))])

        return jax.grad(loss)(params)

    for path, leaf in jax.tree_util.tree_leaves_with_path(gradient(variables["params"])):
        assert np.isfinite(leaf).all(), path
        if path[-1].key == "kernel":
            assert np.abs(leaf).max() > 0, path


def test_auxiliary_heads_are_made_always_and_run_in_training_only():
    model, x = NETS["googlenet"](num_classes=3, stem="small"), jax.ShapeDtypeStruct((2, 16, 16, 3), jnp.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), x)
    assert "auxiliary1" in variables["params"]
    for train in (False, True):
        apply = functools.partial(model.apply, train=train, mutable=["aux_logits"], rngs={"dropout": jax.random.key(1)})
        sown = jax.eval_shape(apply, {"params": variables["params"]}, x)[1]
        assert bool(sown) == train

"""Batch norms folded: the same logits and stage outputs in evaluation, from fewer layers."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from jaxcnn.accel.fold import fold_batch_norm
from jaxcnn.errors import UserError
from jaxcnn.layers.conv import Conv
from jaxcnn.layers.norm import BatchNorm
from jaxcnn.models import create_model
from tests.models.tiny import TINY

QUICK = ["mobilenet_v2", "preact_resnet", "vgg"]  # depthwise; norms that stay; biases
LEFT = {  # norms behind a sum, a concatenation or a pooling; in heads that evaluation does not run. Counted by hand
    "densenet": 5,
    "googlenet": 1,
    "inception_v3": 2,
    "nasnet": 2,
    "preact_resnet": 3,
    "wide_resnet": 2,
}
SHAPE = (16, 16, 3)


def randomised(model, shape, dtype):
    """Returns variables of any statistics, and an image batch."""
    random = np.random.default_rng(0)
    image = jnp.asarray(random.normal(size=(2, *shape)), dtype)
    variables = jax.eval_shape(model.init, jax.random.key(0), image)

    def leaf(path, like):
        values = random.normal(size=like.shape)
        made = {"mean": 0.3 * values, "bias": 0.3 * values, "scale": 1 + 0.3 * values, "var": np.exp(0.5 * values)}
        kernel = values * np.sqrt(2 / max(1, np.prod(like.shape[:-1])))
        return jnp.asarray(made.get(path[-1].key, kernel), dtype)

    kept = {key: variables[key] for key in ("params", "batch_stats") if key in variables}
    return jax.tree_util.tree_map_with_path(leaf, kept), image


def norms(variables):
    return len({path[:-1] for path in flatten_dict(variables.get("batch_stats", {}))})


def check(model, shape, dtype, tolerance, left):
    """Folds, compares logits and stage outputs, and counts the norms that are left."""
    variables, image = randomised(model, shape, dtype)
    apply_fn, folded = fold_batch_norm(model.apply, variables, shape)
    assert (norms(variables) > norms(folded), norms(folded)) == (True, left)
    expected, found = (
        jax.jit(functools.partial(one, image=image, train=False, mutable=["intermediates"]))(tree)
        for one, tree in ((model.apply, variables), (apply_fn, folded))
    )
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for leaf, other in zip(jax.tree.leaves(expected), jax.tree.leaves(found), strict=True):
        assert leaf.dtype == other.dtype
        least = 1e-6 if leaf.dtype == jnp.float32 else tolerance  # logits are float32 whatever computes them
        np.testing.assert_allclose(other, leaf, rtol=0, atol=max(tolerance, least) * float(jnp.max(jnp.abs(leaf))))


@pytest.mark.parametrize(
    "family", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in TINY]
)
def test_every_family(family):
    tiny = TINY[family]
    check(tiny.model(norm="batch"), (tiny.size, tiny.size, 3), jnp.float32, 1e-5, LEFT.get(family, 0))


@pytest.mark.slow
@pytest.mark.parametrize("family", list(TINY))
def test_every_family_in_float64(family):
    tiny = TINY[family]
    with jax.enable_x64(True):
        model = tiny.model(norm="batch", dtype=jnp.float64)
        check(model, (tiny.size, tiny.size, 3), jnp.float64, 1e-12, LEFT.get(family, 0))


@pytest.mark.parametrize(
    ("name", "fields", "left"),
    [
        ("resnet1202", {"stage_sizes": (3,), "features": 8}, 0),
        pytest.param("preact_resnet1001", {"stage_sizes": (3,), "features": 8}, 2, marks=pytest.mark.slow),
    ],
)
def test_blocks_in_a_loop(name, fields, left):
    check(create_model(name, num_classes=3, **fields), SHAPE, jnp.float32, 1e-5, left)


class _Twice(nn.Module):
    """A convolution that is called a second time, without the norm."""

    @nn.compact
    def __call__(self, x, *, train=False):
        conv, norm = Conv(3, 1), BatchNorm(use_running_average=not train)
        return conv(norm(conv(x)))


def test_a_layer_that_is_called_twice_is_not_folded():
    model = _Twice()
    variables, _ = randomised(model, SHAPE, jnp.float32)
    with pytest.raises(UserError, match="there is none to fold"):
        fold_batch_norm(model.apply, variables, SHAPE)


def test_what_others_read_too_is_not_folded():
    """The first convolution of a CIFAR DenseNet goes into the first layer's norm, and on beside that layer."""
    model = create_model("densenet40_12", num_classes=3, stage_sizes=(1,), growth=4, features=4)
    variables = jax.eval_shape(model.init, jax.random.key(0), jnp.ones((1, *SHAPE), jnp.float32))
    with pytest.raises(UserError, match=r"^this net has no batch norm right behind a convolution"):
        fold_batch_norm(model.apply, {key: variables[key] for key in ("params", "batch_stats")}, SHAPE)


def test_the_variables_are_those_of_the_net_without_norms():
    tiny = TINY["resnet"]
    variables, image = randomised(tiny.model(), SHAPE, jnp.float32)
    before = jax.tree.map(np.array, variables)
    folded = fold_batch_norm(tiny.model().apply, variables, SHAPE)[1]
    bare = jax.eval_shape(tiny.model(norm="none").init, jax.random.key(0), image)
    assert folded.keys() == {"params"}
    assert jax.tree.map(jnp.shape, folded["params"]) == jax.tree.map(jnp.shape, bare["params"])
    jax.tree.map(np.testing.assert_array_equal, variables, before)


def test_it_is_for_evaluation_and_for_nets_with_batch_norm():
    tiny = TINY["vgg"]
    variables, image = randomised(tiny.model(norm="batch"), SHAPE, jnp.float32)
    apply_fn, folded = fold_batch_norm(tiny.model(norm="batch").apply, variables, SHAPE)
    with pytest.raises(UserError, match=r"^batch norms that are folded cannot be trained: call with train=False"):
        apply_fn(folded, image, train=True)
    variables, _ = randomised(tiny.model(), SHAPE, jnp.float32)
    with pytest.raises(UserError, match=r"^this net has no batch norm right behind a convolution"):
        fold_batch_norm(tiny.model().apply, variables, SHAPE)


class _Plain(nn.Module):
    """A convolution and its norm, whose epsilon is large beside the variance."""

    @nn.compact
    def __call__(self, image, *, train=False):
        return BatchNorm(use_running_average=not train, epsilon=0.5)(Conv(3, 1)(image)).mean((1, 2))


def test_the_epsilon_that_is_folded_is_the_norms_own():
    check(_Plain(), (4, 4, 3), jnp.float32, 1e-5, 0)


class _Shared(nn.Module):
    """One norm behind two convolutions."""

    @nn.compact
    def __call__(self, image, *, train=False):
        norm = BatchNorm(use_running_average=not train)
        return norm(Conv(3, 1)(image)) + norm(Conv(3, 1)(image))


def test_a_norm_that_is_called_twice_is_not_folded():
    model = _Shared()
    variables, _ = randomised(model, SHAPE, jnp.float32)
    with pytest.raises(UserError, match="there is none to fold"):
        fold_batch_norm(model.apply, variables, SHAPE)

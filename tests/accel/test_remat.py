"""Blocks that are computed again for their gradient: the same numbers, from less memory."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.accel.remat import blocks_of, rematerialize
from jaxcnn.errors import UserError
from jaxcnn.models import create_model, model_variant
from tests.models.tiny import TINY

BATCH = 4
WITHOUT_BLOCKS = {"alexnet", "lenet", "mlp"}
DEEP = {  # chance inside the blocks; blocks in a loop
    "wide_resnet16_8": {"stage_sizes": (3,), "features": 4, "dropout_rate": 0.3},
    "resnet1202": {"stage_sizes": (5,), "features": 4},
}


def loss_and_gradient(apply_fn, variables, image):
    """Returns the compiled training loss and its gradient, and what they gave."""
    rest = {"batch_stats": variables["batch_stats"]} if "batch_stats" in variables else {}

    def loss(params):
        logits, updated = apply_fn(
            {"params": params, **rest},
            image,
            train=True,
            mutable=["batch_stats", "aux_logits"],
            rngs={"dropout": jax.random.key(2)},
        )
        outputs = jax.tree.leaves((logits, updated.get("aux_logits", ())))
        return sum(jnp.sum(jnp.square(output)) for output in outputs), updated

    compiled = jax.jit(jax.value_and_grad(loss, has_aux=True)).lower(variables["params"]).compile()
    return compiled, compiled(variables["params"])


def compare(model, size, channels=3):
    image = jax.random.normal(jax.random.key(0), (BATCH, size, size, channels), jnp.float32)
    variables = jax.jit(model.init)(jax.random.key(1), image)
    kept = {key: variables[key] for key in ("params", "batch_stats") if key in variables}
    plain, expected = loss_and_gradient(model.apply, kept, image)
    again, found = loss_and_gradient(rematerialize(model.apply), kept, image)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    largest = max(float(jnp.max(jnp.abs(leaf))) for leaf in jax.tree.leaves(expected[1]))
    for leaf, other in zip(jax.tree.leaves(expected), jax.tree.leaves(found), strict=True):
        np.testing.assert_allclose(other, leaf, rtol=1e-4, atol=1e-5 * largest)
    return [compiled.memory_analysis().temp_size_in_bytes for compiled in (plain, again)]


@pytest.mark.parametrize("name", ["wide_resnet16_8", pytest.param("resnet1202", marks=pytest.mark.slow)])
def test_the_same_gradient_from_less_memory(name):
    plain, again = compare(create_model(name, num_classes=3, **DEEP[name]), 8)
    assert again < 0.8 * plain


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(TINY.keys() - WITHOUT_BLOCKS))
def test_every_family_with_blocks(family):
    tiny = TINY[family]
    fields = {key: 0.4 for key in ("dropout_rate", "drop_path_rate") if hasattr(tiny.model(), key)}
    compare(tiny._replace(fields={**tiny.fields, **fields}).model(norm="batch"), tiny.size)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet1202", "preact_resnet1001"])
def test_a_thousand_layers(name):
    model, image = create_model(name, num_classes=10), jnp.ones((2, 32, 32, 3), jnp.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), image)

    def temporaries(apply_fn):
        stats = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), variables["batch_stats"])
        gradient = jax.grad(lambda params: jnp.sum(apply_fn({"params": params, "batch_stats": stats}, image)))
        return jax.jit(gradient).lower(variables["params"]).compile().memory_analysis().temp_size_in_bytes

    assert temporaries(rematerialize(model.apply)) < 0.6 * temporaries(model.apply)


class _Block(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        return nn.Dense(3)(x) if train else x


class _Net(nn.Module):
    """A net of somebody else's: a parameter of its own, and a block that is told by position what is done."""

    @nn.compact
    def __call__(self, x, *, train=False):
        return _Block(name="block")(x, train) * self.param("scale", nn.initializers.ones, (1, 3))


def test_a_net_of_the_users_own():
    model, x = _Net(), jnp.ones((2, 3), jnp.float32)
    variables = model.init(jax.random.key(0), x, train=True)
    one, other = (
        jax.grad(lambda variables, apply_fn=apply_fn: jnp.sum(apply_fn(variables, x, train=True) ** 2))(variables)
        for apply_fn in (model.apply, rematerialize(model.apply))
    )
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-6), other, one)


def shapes(name, **fields):
    variant = model_variant(name)
    model = create_model(name, num_classes=variant.num_classes, **fields)
    image = jax.ShapeDtypeStruct((1, variant.image_size, variant.image_size, variant.channels), jnp.float32)
    return jax.eval_shape(model.init, jax.random.key(0), image)["params"]


def test_blocks():
    assert blocks_of(shapes("resnet20")) == [f"stage{stage}_block{n}" for stage in (1, 2, 3) for n in (1, 2, 3)]
    assert blocks_of(shapes("resnet1202"))[:2] == ["stage1_block1", "stage1_rest"]


@pytest.mark.parametrize("family", sorted(WITHOUT_BLOCKS))
def test_a_net_without_blocks_is_refused(family):
    tiny = TINY[family]
    model, image = tiny.model(), jnp.ones((1, tiny.size, tiny.size, 3), jnp.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), image)
    with pytest.raises(UserError, match=r"^remat computes blocks of several layers again, and this net has none"):
        jax.eval_shape(functools.partial(rematerialize(model.apply), image=image), {"params": variables["params"]})

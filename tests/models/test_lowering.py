"""Every model's training step lowers for the accelerators: forward, gradient and update, from shapes alone."""

import functools

import jax
import jax.numpy as jnp
import optax
import pytest
from jax import export

from jaxcnn.models import create_model, list_models, model_variant
from jaxcnn.train.parts import metrics
from jaxcnn.train.parts.losses import make_loss
from jaxcnn.train.state import create_state
from jaxcnn.train.step import make_train_step

PLATFORMS = ("tpu", "cuda")
QUICK = {"lenet5"}
BATCH = 2


def lower(name, dtype):
    variant = model_variant(name)
    model = create_model(name, num_classes=variant.num_classes, dtype=dtype)
    tx = optax.sgd(0.1, momentum=0.9)
    step = make_train_step(
        apply_fn=model.apply, tx=tx, loss_fn=make_loss("softmax"), aux_weight=0.3, on_nonfinite="stop"
    )
    shape = (variant.image_size, variant.image_size, variant.channels)
    state = jax.eval_shape(functools.partial(create_state, model, tx, shape, ema=False), jax.random.key(0))
    image = jax.ShapeDtypeStruct((BATCH, *shape), jnp.float32)
    batch = {"image": image, "label": jax.ShapeDtypeStruct((BATCH,), jnp.int32)}
    key = jax.eval_shape(lambda: jax.random.key(0))
    return state, export.export(jax.jit(step), platforms=PLATFORMS)(state, batch, key)


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in list_models()]
)
def test_the_training_step_lowers(name):
    state, exported = lower(name, jnp.bfloat16)
    assert exported.platforms == PLATFORMS
    given, taken = jax.tree.leaves(state), exported.out_avals[: len(jax.tree.leaves(state))]
    assert [(leaf.shape, leaf.dtype) for leaf in given] == [(leaf.shape, leaf.dtype) for leaf in taken]
    assert len(exported.out_avals) == len(given) + len(metrics.zeros())

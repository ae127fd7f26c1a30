"""What the models compute, on the smallest members: modes, dropout, padding, initialisation."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.models import create_model
from jaxcnn.models.resnet import PadShortcut

TINY_RESNET = functools.partial(create_model, "resnet20", num_classes=3, stage_sizes=(1, 1), features=8)


def images(size=16, channels=3):
    return jax.random.normal(jax.random.key(0), (4, size, size, channels), jnp.float32)


def test_dropout_acts_in_training_only():
    model, x = create_model("mlp3", num_classes=3, dropout_rate=0.5), images()
    variables = {"params": model.init(jax.random.key(1), x)["params"]}
    evaluated = [model.apply(variables, x, train=False) for _ in range(2)]
    trained = [model.apply(variables, x, train=True, rngs={"dropout": jax.random.key(seed)}) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(*evaluated)
    np.testing.assert_array_equal(*trained[:2])
    assert np.abs(np.asarray(trained[0] - trained[2])).max() > 0


def test_lenet5_pads_as_if_the_image_were_larger():
    model = create_model("lenet5", num_classes=10)
    small = images(28, 1)
    variables = {"params": model.init(jax.random.key(1), small)["params"]}
    padded = jnp.pad(small, [(0, 0), (2, 2), (2, 2), (0, 0)])
    np.testing.assert_array_equal(model.apply(variables, small), model.apply(variables, padded))


def test_pad_shortcut_is_option_a():
    x = images(5, 2)
    y = PadShortcut(features=4, strides=2).apply({}, x)
    assert y.shape == (4, 3, 3, 4)
    np.testing.assert_array_equal(y[..., 1:3], x[:, ::2, ::2])
    np.testing.assert_array_equal(y[..., jnp.array([0, 3])], 0)


def test_zero_init_last_makes_a_block_the_identity():
    model, x = TINY_RESNET(zero_init_last=True), images()
    variables = model.init(jax.random.key(1), x)
    kept = {key: variables[key] for key in ("params", "batch_stats")}
    seen = model.apply(kept, x, mutable=["intermediates"])[1]["intermediates"]
    np.testing.assert_allclose(seen["stage1"][0], seen["stem"][0], rtol=1e-6)

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn.config import base_config
from jaxcnn.train.optimizers import OPTIMIZERS, kernels_only, make_optimizer

PARAMS = {"kernel": jnp.array([[1.0, -2.0]]), "bias": jnp.array([3.0])}
GRADIENTS = {"kernel": jnp.array([[0.5, 0.25]]), "bias": jnp.array([-1.0])}


def settings(**changes):
    config = base_config().optimizer
    config.update(changes)
    return config


def updates(*gradients, **changes):
    tx = make_optimizer(settings(**changes), optax.constant_schedule(0.1))
    params, state = PARAMS, tx.init(PARAMS)
    for gradient in gradients:
        change, state = tx.update(gradient, state, params)
        params = optax.apply_updates(params, change)
    return params


def assert_params(params, kernel, bias):
    np.testing.assert_allclose(params["kernel"], [kernel], rtol=1e-5)
    np.testing.assert_allclose(params["bias"], [bias], rtol=1e-5)


def test_decay_leaves_out_vectors():
    assert kernels_only(PARAMS) == {"kernel": True, "bias": False}


def test_sgd_with_momentum():
    plain = updates(GRADIENTS, GRADIENTS, name="sgd", momentum=0.9)
    assert_params(plain, [1 - 0.1 * 0.5 * 2.9, -2 - 0.1 * 0.25 * 2.9], 3 + 0.1 * 2.9)


def test_sgd_with_nesterov_momentum():
    ahead = updates(GRADIENTS, name="sgd", momentum=0.9, nesterov=True)
    assert_params(ahead, [1 - 0.1 * 0.5 * 1.9, -2 - 0.1 * 0.25 * 1.9], 3 + 0.1 * 1.9)


def test_decay_of_sgd_is_the_gradient_of_a_penalty():
    decayed = updates(GRADIENTS, name="sgd", momentum=0.0, weight_decay=0.5)
    assert_params(decayed, [1 - 0.1 * (0.5 + 0.5), -2 - 0.1 * (0.25 - 1.0)], 3.1)
    everything = updates(GRADIENTS, name="sgd", momentum=0.0, weight_decay=0.5, decay_all=True)
    assert_params(everything, [0.9, -2 + 0.075], 3 + 0.1 - 0.15)


@pytest.mark.parametrize("name", ["adamw", "lamb"])
def test_decoupled_decay_acts_without_a_gradient_on_kernels_only(name):
    still = jax.tree.map(jnp.zeros_like, PARAMS)
    params = updates(still, name=name, weight_decay=0.5)
    assert float(params["bias"][0]) == 3.0
    assert abs(float(params["kernel"][0, 0])) < 1.0


def test_adam_first_step_is_the_learning_rate():
    assert_params(updates(GRADIENTS, name="adam"), [0.9, -2.1], 3.1)


def test_clip_bounds_the_global_norm():
    norm = float(jnp.sqrt(0.5**2 + 0.25**2 + 1.0))
    clipped = updates(GRADIENTS, name="sgd", momentum=0.0, clip_norm=0.1)
    assert_params(clipped, [1 - 0.1 * 0.5 * 0.1 / norm, -2 - 0.1 * 0.25 * 0.1 / norm], 3 + 0.1 * 0.1 / norm)


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_every_optimizer_goes_downhill(name):
    target = {"kernel": jnp.array([[0.5, -1.5]]), "bias": jnp.array([2.5])}

    def loss(params):
        return sum(jnp.sum(jnp.square(params[key] - target[key])) for key in params)

    epsilon = 1e-3 if name == "adadelta" else 1e-8
    tx = make_optimizer(settings(name=name, weight_decay=1e-4, epsilon=epsilon), optax.constant_schedule(0.02))

    @jax.jit
    def step(params, state):
        change, state = tx.update(jax.grad(loss)(params), state, params)
        return optax.apply_updates(params, change), state

    params, state = PARAMS, tx.init(PARAMS)
    for _ in range(60):
        params, state = step(params, state)
    assert float(loss(params)) < float(loss(PARAMS))


def test_lamb_decays_once():
    still = jax.tree.map(jnp.zeros_like, PARAMS)
    assert_params(updates(still, name="lamb", weight_decay=0.5), [0.9, -1.8], 3.0)

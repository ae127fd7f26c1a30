import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn.config import base_config
from jaxcnn.errors import UserError
from jaxcnn.layers.variables import abstract_variables
from jaxcnn.models import create_model
from jaxcnn.train.parts.kernels import kernels_only
from jaxcnn.train.parts.optimizers import OPTIMIZERS, OptimizerSettings, decays_unseen, make_optimizer

PARAMS = {"kernel": jnp.array([[1.0, -2.0]]), "bias": jnp.array([3.0])}
GRADIENTS = {"kernel": jnp.array([[0.5, 0.25]]), "bias": jnp.array([-1.0])}


def settings(**changes):
    return OptimizerSettings(**base_config().optimizer.to_dict() | changes)


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


def test_decay_knows_a_parameter_by_its_name_and_does_not_count_the_axis_of_a_loop():
    table, vector, number = jnp.zeros((2, 3)), jnp.zeros(3), jnp.zeros(())
    names = {"kernel": table, "bias": table, "scale": table, "negative_slope": table, "gamma": vector, "gain": number}
    alone = {"kernel": True, "bias": False, "scale": False, "negative_slope": False, "gamma": False, "gain": False}
    assert kernels_only({"block": names}) == {"block": alone}
    looped = jax.tree.map(lambda leaf: leaf[None], names)
    assert kernels_only({"stage1_rest": {"inner": looped}}) == {"stage1_rest": {"inner": alone}}
    assert kernels_only([table, vector]) == [True, False]
    assert kernels_only(table) is True


@pytest.mark.parametrize(
    ("name", "fields"),
    [("resnet1202", {}), ("preact_resnet1001", {"stage_sizes": (3, 3)}), ("nasnet_a_cifar", {"cells": 4})],
)
def test_of_a_net_with_loops_kernels_alone_are_decayed(name, fields):
    params = abstract_variables(create_model(name, num_classes=10, **fields), (32, 32, 3))["params"]
    assert any(block.endswith("_rest") for block in params)
    decayed = jax.tree_util.tree_leaves_with_path(kernels_only(params))
    assert {path[-1].key for path, of in decayed if of} == {"kernel"}
    assert {path[-1].key for path, of in decayed if not of} == {"bias", "scale"}


def in_a_loop(params):
    """Returns the parameters of a net whose first stage, but for its first block, runs in a loop."""
    rest = jax.tree.map(lambda *leaves: np.stack(leaves), params["stage1_block2"], params["stage1_block3"])
    alone = {name: value for name, value in params.items() if name not in ("stage1_block2", "stage1_block3")}
    return {**alone, "stage1_rest": rest}


@pytest.mark.parametrize("name", ["adamw", "lamb", "sgd"])
def test_a_net_whose_blocks_run_in_a_loop_learns_as_one_whose_do_not(name):
    fields = {"num_classes": 3, "stage_sizes": (3,), "features": 4}
    unrolled, looped = (create_model("resnet18", scan=scan, **fields) for scan in (False, True))
    shapes = abstract_variables(unrolled, (32, 32, 3))["params"]
    rng = np.random.default_rng(0)
    params, gradient = (
        jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), shapes) for _ in range(2)
    )
    expected_shapes = jax.tree.map(np.shape, abstract_variables(looped, (32, 32, 3))["params"])
    assert jax.tree.map(np.shape, in_a_loop(params)) == expected_shapes
    tx = make_optimizer(settings(name=name, weight_decay=0.3, clip_norm=1.0), optax.constant_schedule(0.1))

    @jax.jit
    def update(gradient, params):
        return tx.update(gradient, tx.init(params), params)[0]

    expected = in_a_loop(jax.device_get(update(gradient, params)))
    actual = update(in_a_loop(gradient), in_a_loop(params))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), actual, expected)


def test_lamb_is_optaxs():
    ours = updates(GRADIENTS, GRADIENTS, name="lamb", weight_decay=0.5)
    tx, params = optax.lamb(optax.constant_schedule(0.1), weight_decay=0.5, eps=1e-8, mask=kernels_only), PARAMS
    state = tx.init(params)
    own = make_optimizer(settings(name="lamb"), optax.constant_schedule(0.1)).init(params)
    assert jax.tree.map(jnp.shape, own) == jax.tree.map(jnp.shape, (state,))  # so that older checkpoints fit
    for _ in range(2):
        change, state = tx.update(GRADIENTS, state, params)
        params = optax.apply_updates(params, change)
    assert_params(ours, params["kernel"][0], params["bias"][0])


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


def test_rmsprop_has_momentum():
    one, two, heavy = (
        updates(*[GRADIENTS] * count, name="rmsprop", momentum=momentum)
        for count, momentum in ((1, 0.9), (2, 0.0), (2, 0.9))
    )
    carried = jax.tree.map(lambda after, before: 0.9 * (after - before), one, PARAMS)
    expected = jax.tree.map(jnp.add, two, carried)
    assert_params(heavy, expected["kernel"][0], expected["bias"][0])


def test_the_decay_is_not_clipped():
    still = jax.tree.map(jnp.zeros_like, PARAMS)
    decayed = updates(still, name="sgd", momentum=0.0, weight_decay=0.5, clip_norm=0.1)
    assert_params(decayed, [0.95, -1.9], 3.0)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_the_second_average_of_adam_has_a_rate_of_its_own(name):
    """Gradients of 1, then 0: the averages are b1 (1 - b1) and b2 (1 - b2), each over 1 - b^2."""
    ones, still = (jax.tree.map(like, PARAMS) for like in (jnp.ones_like, jnp.zeros_like))
    one, two = (updates(*given, name=name, weight_decay=0.0, beta1=0.5, beta2=0.9) for given in ([ones], [ones, still]))
    moved = float(one["bias"][0] - two["bias"][0])
    assert moved == pytest.approx(0.1 * (0.25 / 0.75) / np.sqrt(0.09 / 0.19), rel=1e-4)


def test_an_optimizer_of_the_learning_rate_is_optaxs_own():
    b1, b2, rate = 0.9, 0.99, 0.1  # of Chen et al., arXiv:2302.06675, and optax's defaults
    assert (b1, b2) == (0.9, 0.99)
    assert_params(updates(GRADIENTS, name="optax:lion"), [1 - rate, -2 - rate], 3 + rate)


def test_its_weight_decay_is_the_configs_and_leaves_out_what_ours_does():
    decayed = updates(GRADIENTS, name="optax:lion", weight_decay=0.5)
    assert_params(decayed, [1 - 0.1 * (1 + 0.5 * 1), -2 - 0.1 * (1 - 0.5 * 2)], 3.1)
    assert_params(updates(GRADIENTS, name="optax:adamw"), [0.9, -2.1], 3.1)  # optax's own default is 1e-4


def test_of_one_that_takes_no_weight_decay_it_is_added_to_the_gradient():
    ours, optaxs = (updates(GRADIENTS, name=name, weight_decay=0.5, momentum=0.0) for name in ("sgd", "optax:sgd"))
    assert_params(optaxs, ours["kernel"][0], ours["bias"][0])


def test_an_optimizer_of_the_settings_sees_to_its_decay():
    found = updates(GRADIENTS, name="tests.own_parts:signed", weight_decay=0.5, clip_norm=1.0)
    assert_params(found, [1 - 0.1 * (1 + 0.5), -2 - 0.1 * (1 - 1.0)], 3 + 0.1 * (1 - 1.5))
    assert decays_unseen("tests.own_parts:signed")
    assert not any(map(decays_unseen, [*OPTIMIZERS, "optax:lion"]))


def test_what_makes_no_optimizer_is_refused():
    with pytest.raises(UserError, match=r"no_optimizer makes a .*: it must make an optax.GradientTransformation"):
        updates(name="tests.own_parts:no_optimizer")

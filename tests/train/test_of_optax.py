"""Optimizers and schedules of optax by their own names: a table of them times a table of properties."""

import functools
import warnings

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest

from jaxcnn.config import base_config
from jaxcnn.config.check import check, frozen
from jaxcnn.config.table import SETTINGS
from jaxcnn.errors import UserError
from jaxcnn.layers.variables import abstract_variables
from jaxcnn.main import parse
from jaxcnn.models import create_model
from jaxcnn.train.parts.kernels import kernels_only, matrices
from jaxcnn.train.parts.of_optax import OPTAX_OPTIMIZERS, OPTAX_SCHEDULES, UNFIT
from jaxcnn.train.parts.optimizers import OPTIMIZERS, OptimizerSettings, decays_itself, make_optimizer
from jaxcnn.train.parts.schedules import Shape, make_schedule
from jaxcnn.train.settings import read_settings

BY_NAME = sorted(OPTAX_OPTIMIZERS.keys() - OPTIMIZERS.keys())
"""Those that are no words of ours."""
WITHOUT_MASK = ("dadapt_adamw", "madgrad", "novograd", "prodigy")
"""Their weight decay is that of all parameters."""
DECAYING = [name for name in BY_NAME if decays_itself(name) and name not in WITHOUT_MASK]
"""Those with a weight decay of their own."""
RATE = 0.01


class Tiny(nn.Module):
    @nn.compact
    def __call__(self, image):
        return nn.Dense(4, name="classifier")(image.mean(axis=(1, 2)))


@pytest.fixture(scope="module")
def net():
    """The parameters of a net, none of them 0, and their gradients."""
    image, label = np.random.default_rng(0).normal(size=(6, 5, 5, 3)).astype(np.float32), jnp.arange(6) % 4

    @jax.jit
    def made(key):
        params = jax.tree.map(lambda leaf: leaf + 0.1, Tiny().init(key, image)["params"])

        def loss(params):
            logits = Tiny().apply({"params": params}, image)
            return optax.softmax_cross_entropy_with_integer_labels(logits, label).mean()

        return params, jax.grad(loss)(params)

    return jax.device_get(made(jax.random.key(0)))


def settings(name, **changes):
    return OptimizerSettings(**base_config().optimizer.to_dict() | {"name": name, **changes})


def made(name, **changes):
    return make_optimizer(settings(name, **changes), optax.constant_schedule(RATE))


def moved(name, params, gradient, **changes):
    """Returns the updates of a first step."""
    tx = made(name, **changes)
    return tx.update(gradient, tx.init(params), params)[0]


@pytest.fixture(scope="module")
def steps(net):
    """By name the updates of a step; and, of those with a weight decay of their own, without a gradient."""
    params, gradient = net
    still = jax.tree.map(jnp.zeros_like, gradient)

    def step():
        moving = {name: moved(name, params, gradient) for name in BY_NAME}
        return moving, {name: moved(name, params, still, weight_decay=0.5) for name in DECAYING}

    quickly = jax.jit(step, compiler_options={"xla_backend_optimization_level": 0})  # run once, compiled once
    return jax.device_get(quickly())


@pytest.mark.parametrize("name", BY_NAME)
def test_it_takes_a_step(name, steps, net):
    (moving, _), (params, _) = steps, net
    assert jax.tree.map(np.shape, moving[name]) == jax.tree.map(np.shape, params)
    for leaf in jax.tree.leaves(moving[name]):
        assert np.isfinite(leaf).all()
        assert (np.abs(leaf).max() > 0) == (name != "adopt")  # its first step only looks at the gradient


@pytest.mark.parametrize("name", DECAYING)
def test_its_weight_decay_leaves_out_biases(name, steps):
    """Nothing else moves where there is no gradient."""
    _, decaying = steps
    moves = {path[-1].key: np.abs(leaf).max() > 0 for path, leaf in jax.tree_util.tree_leaves_with_path(decaying[name])}
    assert moves == {"kernel": True, "bias": False}


@pytest.mark.parametrize("name", WITHOUT_MASK)
def test_a_weight_decay_without_mask_is_had_for_all_parameters_or_not_at_all(name, net):
    with pytest.raises(UserError, match=rf"^optimizer {name} decays all parameters alike: set optimizer.decay_all, "):
        made(name, weight_decay=0.5)
    assert decays_itself(name)
    made(name, weight_decay=0.5, decay_all=True)


@pytest.mark.parametrize("name", BY_NAME)
def test_an_option_that_it_does_not_have_is_refused(name):
    with pytest.raises(UserError, match=rf"^unknown option of optimizer {name} 'no_such': "):
        made(name, options={"no_such": 1})


def test_those_that_cannot_be_had_say_why():
    for name in UNFIT.keys() - OPTIMIZERS.keys():
        with pytest.raises(UserError, match=rf"^optimizer {name} of optax cannot be had here: \w"):
            made(name)


def test_the_table_is_complete():
    """What optax has an alias for is here, or it is known why not."""
    assert {"nadam", "lion", "adagrad", "muon", "lars", "radam", "adan", "novograd", "adamax"} <= set(BY_NAME)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        known = {name for name in dir(optax) if callable(getattr(optax, name)) and not name.startswith("_")}
    rates = {name for name in known if _takes_a_rate(getattr(optax, name))}
    assert rates - OPTAX_OPTIMIZERS.keys() - UNFIT.keys() - {"scale_by_learning_rate", "scale_by_rprop"} == set()


def _takes_a_rate(function):
    code = getattr(functools.partial(function).func, "__code__", None)
    return code is not None and code.co_varnames[:1] == ("learning_rate",)


def test_options_reach_it_and_its_defaults_are_optaxs(net):
    """AdaGrad's first step divides by the root of its first accumulator, by default 0.1, and the gradient squared."""
    params, gradient = net
    for options, start in (({}, 0.1), ({"initial_accumulator_value": 2.0}, 2.0)):
        found = moved("adagrad", params, gradient, options=options)["classifier"]["bias"]
        own = gradient["classifier"]["bias"]
        np.testing.assert_allclose(found, -RATE * own / np.sqrt(start + own**2), rtol=1e-4)


def test_a_setting_of_the_config_is_no_option():
    with pytest.raises(UserError, match=r"^optimizer.options has weight_decay, which the other settings of optimizer"):
        made("lion", options={"weight_decay": 0.1})
    with pytest.raises(UserError, match=r"^optimizer.options has b1: optimizer adam has other settings, which `"):
        made("adam", options={"b1": 0.1})


def test_what_optax_refuses_is_one_line():
    with pytest.raises(UserError, match=r"^optimizer muon: Unknown ns_coeff preset string: none"):
        made("muon", options={"ns_coeffs": "none"})


def _is_matrix(leaf):
    return isinstance(leaf, optax.contrib.MuonDimensionNumbers)


def test_muon_takes_each_kernel_for_a_matrix_and_each_turn_of_a_loop():
    fields = {"num_classes": 3, "stage_sizes": (3,), "features": 4, "scan": True}
    params = abstract_variables(create_model("resnet18", **fields), (32, 32, 3))["params"]
    found, kernels = matrices(params), kernels_only(params)

    def agree(param, kernel, of):
        assert (of is not None) == kernel
        return kernel and (of.output_axis == param.ndim - 1) and of.reduction_axis[-1] == param.ndim - 2

    jax.tree.map(agree, params, kernels, found)
    dense, looped = found["classifier"]["kernel"], jax.tree.leaves(found["stage1_rest"], is_leaf=_is_matrix)
    assert dense.reduction_axis == (0,)
    assert {leaf.reduction_axis for leaf in looped} == {(1, 2, 3)}


def test_muons_step_of_a_kernel_is_a_rotation(steps, net):
    """All singular values of an orthogonalised update are about the same, whatever those of the gradient are."""
    update, gradient = (tree["classifier"]["kernel"] for tree in (steps[0]["muon"], net[1]))
    values = np.linalg.svd(update, compute_uv=False)
    assert values.max() / values.min() < 2 < np.linalg.cond(gradient)


@pytest.mark.parametrize("name", ["lion", "muon", "optax:lion", "optax.contrib:muon"])
def test_a_config_may_name_it(name):
    config = base_config()
    config.optimizer.name = name
    check(frozen(config))


def test_options_are_keys_of_the_command_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = [
        "--config=digits_lenet5",
        "--workdir=w",
        "--config.optimizer.name=muon",
        "--config.optimizer.options.beta=0.9",
    ]
    config = parse([*line, '--config.schedule.options={"pct_start": 0.2}', "--config.schedule.name=one_cycle"]).config
    assert config.optimizer.options.to_dict() == {"beta": 0.9}
    found = read_settings(config, {})
    assert dict(found.optimizer.options) == {"beta": 0.9}
    assert dict(found.schedule.options) == {"pct_start": 0.2}


def test_a_config_may_not_name_what_is_none():
    with pytest.raises(UserError, match=r"^unknown optimizer 'lions': did you mean lion"):
        SETTINGS["optimizer.name"].check("lions")


SHAPE = Shape(total=110, warmup=10, end_factor=0.1, factor=0.5, boundaries=(30, 60))
EXPECTED = {  # what optax makes for the steps behind the warm-up
    "cosine_onecycle_schedule": optax.cosine_onecycle_schedule(100, 0.2),
    "linear_onecycle_schedule": optax.linear_onecycle_schedule(100, 0.2),
    "polynomial_schedule": optax.polynomial_schedule(0.2, 0.02, 2.0, 100),
    "cosine_decay_schedule": optax.cosine_decay_schedule(0.2, 100),
    "constant_schedule": optax.constant_schedule(0.2),
    "exponential_decay": optax.exponential_decay(0.2, 100, 0.01, end_value=0.02),
    "linear_schedule": optax.linear_schedule(0.2, 0.02, 100),
    "piecewise_constant_schedule": optax.piecewise_constant_schedule(0.2, {20: 0.5, 50: 0.5}),
    "piecewise_interpolate_schedule": optax.piecewise_interpolate_schedule("cosine", 0.2, {20: 0.5, 50: 0.5}),
}
OPTIONS = {
    "polynomial_schedule": {"power": 2.0},
    "exponential_decay": {"decay_rate": 0.01},
    "piecewise_interpolate_schedule": {"interpolate_type": "cosine"},
}
STEPS = np.array([10, 25, 60, 109])


def values(schedule, steps=STEPS):
    return np.array([float(schedule(np.int32(step))) for step in steps])


@pytest.mark.parametrize("name", OPTAX_SCHEDULES)
def test_a_schedule_of_optax_is_what_follows_the_warm_up(name):
    shape = Shape(**{**vars(SHAPE), "options": OPTIONS.get(name, {})})
    schedule = make_schedule(name, 0.2, shape)
    np.testing.assert_allclose(values(schedule), values(EXPECTED[name], STEPS - 10), rtol=1e-5)
    np.testing.assert_allclose(values(schedule, [1]), 0.2 * 2 / 11, rtol=1e-6)


def test_a_schedule_that_needs_more_says_what():
    with pytest.raises(UserError, match=r"^schedule polynomial_schedule needs schedule.options.power$"):
        make_schedule("polynomial_schedule", 0.2, SHAPE)
    with pytest.raises(UserError, match=r"^unknown option of schedule cosine_onecycle_schedule 'pct': known: "):
        make_schedule("one_cycle", 0.2, Shape(total=100, options={"pct": 0.1}))
    with pytest.raises(UserError, match=r"^schedule.options has power: schedule cosine has no options$"):
        make_schedule("cosine", 0.2, Shape(total=100, options={"power": 2}))

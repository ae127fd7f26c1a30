"""Groups of parameters: patterns, multipliers, depths; the table that is printed, and the rates that a run has."""

import json

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn.errors import UserError
from jaxcnn.evaluation.doctor.updates import verdicts
from jaxcnn.layers.norm import BatchNorm
from jaxcnn.layers.variables import abstract_variables
from jaxcnn.models import create_model
from jaxcnn.train.groups import parameter_groups
from jaxcnn.train.loop import train_and_evaluate
from jaxcnn.train.parts.optimizers import Factors, make_optimizer
from jaxcnn.train.parts.patterns import alternatives, matching
from jaxcnn.train.setup import make_run
from tests.train.small_runs import ARRAYS, config
from tests.train.test_optimizers import settings

SHAPE = (8, 8, 3)
PATHS = ("stem1/conv/kernel", "stem_norm/scale", "stage1_block1/norm/scale", "stage10_block1/norm/scale", "block10/b")


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("stem", {0, 1}),
        ("stage1", {2}),
        ("stage[1]|stem1", {0, 2}),
        (r"stage\d+", {2, 3}),
        ("block1.*", {4}),
        (".*norm", {1, 2, 3}),
        (".*/scale", {1, 2, 3}),
        ("stage1_block1/norm/scale", {2}),
        ("stage1_", {2}),
        ("st(em|age)1", {0, 2}),
        ("stem[|1]", {0}),
        ("", set()),
    ],
)
def test_a_pattern_matches_from_the_start_to_the_end_of_a_word_or_a_number(pattern, found):
    assert matching("key", pattern, PATHS) == {PATHS[place] for place in found}


@pytest.mark.parametrize("pattern", ["block1", "ste", "tem", "stage1_b", "norm", "x*", "stage1|block1"])
def test_anything_else_matches_nothing_and_is_an_error(pattern):
    with pytest.raises(UserError, match=r"^key: .* matches no parameter"):
        matching("key", pattern, PATHS)


def test_alternatives_are_between_bars_outside_of_brackets():
    assert alternatives(r"a|(b|c)|[|(]d|e\||[]|]f") == ["a", "(b|c)", "[|(]d", r"e\|", "[]|]f"]


def net(**fields):
    return create_model("resnet18", num_classes=3, stage_sizes=(1, 3), features=4, stem="small", **fields)


def test_the_table_has_every_parameter_in_one_row():
    groups = parameter_groups(net(), SHAPE, freeze="stem|stage1", multipliers={"classifier": 10, "stage2": (0.5, 0)})
    sizes = sum(leaf.size for leaf in jax.tree.leaves(abstract_variables(net(), SHAPE)["params"]))
    assert sum(row.parameters for row in groups.rows) == sizes
    assert [(row.name, row.rate, row.decay, row.trained) for row in groups.rows] == [
        ("stem|stage1", 0.0, 0.0, False),
        ("classifier", 10.0, 1.0, True),
        ("stage2", 0.5, 0.0, True),
    ]
    lines = groups.lines()
    assert lines[0].split() == ["group", "parameters", "rate", "decay"]
    assert lines[2].split() == ["classifier", "27", "x", "10", "x", "1", "trained"]
    assert lines[-1].startswith("3 frozen norms use their statistics, which stay as they are; train.freeze_norms")
    assert groups.untrained == groups.rows[0].parameters
    assert parameter_groups(net(), SHAPE, freeze="stem", freeze_norms="train").norms == ()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            {"freeze": "stem", "multipliers": {"stem": 2}},
            "groups: 'stem' of train.freeze and 'stem' of optimizer.mul",
        ),
        ({"multipliers": {"stage1": 2, "stage1_block1": 3}}, "is in two groups: 'stage1' and 'stage1_block1' of optim"),
        ({"multipliers": {"steem": 2}}, "optimizer.multipliers: 'steem' matches no parameter: did you mean stem"),
        ({"multipliers": {"stem": 0}}, "gives 'stem' a rate of 0, which costs as much as training: use train.freeze"),
        ({"multipliers": {"stem": -1}}, "the rate of 'stem' in optimizer.multipliers is -1.0: it must be a number in"),
        ({"multipliers": [("stem", 1, -2)]}, "the decay of 'stem' in optimizer.multipliers is -2.0"),
        ({"multipliers": [("stem", 1), ("stem", 2)]}, "optimizer.multipliers has the pattern 'stem' twice"),
        ({"multipliers": {"": 2}}, "optimizer.multipliers has an empty pattern"),
        ({"multipliers": "stem=1"}, "it must have \\(pattern, rate\\) or \\(pattern, rate, decay\\)"),
        ({"layer_decay": 1.5}, "optimizer.layer_decay is 1.5: it must be a number in \\(0, 1]"),
        ({"freeze": "stem", "freeze_norms": "off"}, "unknown train.freeze_norms 'off'"),
    ],
)
def test_what_does_not_fit_is_one_line(asked, said):
    with pytest.raises(UserError, match=said):
        parameter_groups(net(), SHAPE, **asked)


def test_one_turn_of_a_loop_cannot_be_named_and_the_message_says_so():
    with pytest.raises(UserError, match="; blocks that run in a loop are one group: stage2_rest"):
        parameter_groups(net(scan=True), SHAPE, freeze="stage2_block2")


def rates(model, decay, shape=SHAPE, **asked):
    return {row.name: row.rate for row in parameter_groups(model, shape, layer_decay=decay, **asked).rows}


def test_the_rate_falls_from_the_classifier_to_the_stem_block_by_block():
    found = rates(net(), 0.5, multipliers={"classifier": 3})
    assert found == {
        "stem_conv, stem_norm": 0.5**5,
        "stage1_block1": 0.5**4,
        "stage2_block1": 0.5**3,
        "stage2_block2": 0.5**2,
        "stage2_block3": 0.5,
        "classifier": 3.0,
    }


def test_every_turn_of_a_loop_has_its_own_rate():
    assert rates(net(scan=True), 0.5)["stage2_rest"] == (0.25, 0.5)
    unrolled, looped = (parameter_groups(net(scan=scan), SHAPE, layer_decay=0.5) for scan in (False, True))
    ones = [
        jax.tree.map(lambda leaf: jnp.ones(leaf.shape), abstract_variables(net(scan=scan), SHAPE)["params"])
        for scan in (False, True)
    ]
    tx = optax.identity()
    apart, together = (
        groups.scaled(tx).update(params, groups.scaled(tx).init(params))[0]
        for groups, params in zip((unrolled, looped), ones, strict=True)
    )
    for turn, block in enumerate(("stage2_block2", "stage2_block3")):
        of_turn = jax.tree.map(lambda leaf, turn=turn: leaf[turn], together["stage2_rest"])
        jax.tree.map(np.testing.assert_allclose, of_turn, apart[block])


class Own(nn.Module):
    """A user's net around one of ours, computed in another order than its names have."""

    inner: nn.Module

    @nn.compact
    def __call__(self, image, *, train=False):
        scale = self.param("gain", nn.initializers.ones, ())
        x = nn.Conv(3, (1, 1), name="z_first")(image * scale)
        return nn.Dense(3, name="head")(nn.LayerNorm(name="a_norm")(self.inner(x, train=train)))


INNER = create_model("resnet18", num_classes=4, stage_sizes=(1,), features=4, stem="small")


def test_a_net_of_ones_own_has_depths_and_a_net_of_ours_in_it_is_looked_into():
    assert rates(Own(INNER), 0.5) == {
        "z_first": 0.0625,
        "inner/stem_conv, inner/stem_norm": 0.125,
        "inner/stage1_block1": 0.25,
        "inner/classifier, a_norm": 0.5,
        "head": 1.0,
    }


class Wrapped(nn.Module):
    @nn.compact
    def __call__(self, image, *, train=False):
        return Own(INNER, name="everything")(image, train=train)


def test_what_holds_all_of_a_net_is_looked_into():
    assert list(rates(Wrapped(), 0.5).values()) == list(rates(Own(INNER), 0.5).values())


PARAMS = {"a": {"kernel": jnp.array([[1.0, -2.0]]), "bias": jnp.array([3.0])}, "b": {"kernel": jnp.array([[4.0, 1.0]])}}
GRADIENT = jax.tree.map(lambda leaf: 0.5 * jnp.ones_like(leaf), PARAMS)


def first_update(factors, gradient=GRADIENT, **changes):
    tx = make_optimizer(settings(factors=factors, **changes), optax.constant_schedule(0.1))
    return tx.update(gradient, tx.init(PARAMS), PARAMS)[0]


@pytest.mark.parametrize("name", ["sgd", "adamw", "lamb", "rmsprop", "optax:lion"])
def test_a_multiplied_rate_is_that_of_the_whole_update(name):
    plain, scaled = (
        first_update(factors, name=name, weight_decay=0.3) for factors in ({}, {"a/kernel": Factors(rate=4.0)})
    )
    np.testing.assert_allclose(scaled["a"]["kernel"], 4 * plain["a"]["kernel"], rtol=1e-5)
    np.testing.assert_allclose(scaled["a"]["bias"], plain["a"]["bias"])
    np.testing.assert_allclose(scaled["b"]["kernel"], plain["b"]["kernel"])


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_a_multiplied_decay_is_that_of_its_group_alone(name):
    factors = {"a/kernel": Factors(decay=3.0), "b/kernel": Factors(decay=0.0), "a/bias": Factors(decay=3.0)}
    still = jax.tree.map(jnp.zeros_like, PARAMS)
    update = first_update(factors, still, name=name, weight_decay=0.5, momentum=0.0)
    np.testing.assert_allclose(update["a"]["kernel"], -0.1 * 0.5 * 3 * PARAMS["a"]["kernel"], rtol=1e-5)
    np.testing.assert_allclose(update["b"]["kernel"], 0.0)
    np.testing.assert_allclose(update["a"]["bias"], 0.0)  # biases do not decay
    everything = first_update(factors, still, name=name, weight_decay=0.5, momentum=0.0, decay_all=True)
    np.testing.assert_allclose(everything["a"]["bias"], -0.1 * 0.5 * 3 * 3.0, rtol=1e-5)


def test_an_optimizer_with_a_decay_of_its_own_can_leave_a_group_out_and_no_more():
    still = jax.tree.map(jnp.zeros_like, PARAMS)
    update = first_update({"b/kernel": Factors(decay=0.0)}, still, name="optax:lion", weight_decay=0.5)
    np.testing.assert_allclose(update["b"]["kernel"], 0.0)
    assert float(jnp.abs(update["a"]["kernel"]).min()) > 0
    with pytest.raises(UserError, match="optax:lion decays by itself: its decay can be multiplied by 0 and 1 alone"):
        first_update({"b/kernel": Factors(decay=0.5)}, name="optax:lion")
    with pytest.raises(UserError, match="signed decays by itself: optimizer"):
        first_update({"b/kernel": Factors(decay=0.0)}, name="tests.own_parts:signed")


FIELDS = {
    "model.norm": "batch",
    "total_steps": 4,
    "optimizer.weight_decay": 0.01,
    "train.freeze": "conv1|norm1",
    "optimizer.multipliers": (("classifier", 10), ("dense", 0.5, 0)),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a run with groups, and what it said."""
    workdir = tmp_path_factory.mktemp("runs") / "frozen"
    return workdir, config(**FIELDS), train_and_evaluate(config(**FIELDS), workdir, data=ARRAYS)


def test_a_run_keeps_its_groups_in_the_card_and_goes_on(finished, capsys):
    workdir, asked, result = finished
    card = json.loads((workdir / "run.json").read_text())["resolved"]
    assert [(row["name"], row["rate"], row["trained"]) for row in card["groups"]] == [
        ("conv1|norm1", 0.0, False),
        ("classifier", 10.0, True),
        ("dense", 0.5, True),
        ("all others", 1.0, True),
    ]
    assert card["weight_decay"]["decayed"] == {"kernel": 4 * 25 * 8 + 16 * 4}  # of conv2 and the classifier
    asked.total_steps = 6
    again = train_and_evaluate(asked, workdir, data=ARRAYS)
    assert int(again.state.step) == 6
    jax.tree.map(np.testing.assert_array_equal, again.state.params["conv1"], result.state.params["conv1"])
    said = capsys.readouterr().out
    assert said.index("dense") < said.index("compiling")
    assert "308 of them frozen" in said


@pytest.mark.parametrize(
    ("changes", "parts", "said"),
    [
        (
            {"optimizer.layer_decay": 0.5},
            {"tx": optax.sgd(0.1)},
            "of the config's optimizer, and tx was handed over",
        ),
        ({"train.freeze": "conv1"}, {"step": lambda state, batch, key: (state, {})}, "a step was handed over: freeze"),
        ({"train.freeze": "cnov1"}, {}, "'cnov1' matches no parameter: did you mean conv1"),
        (
            {"train.freeze_norms": "train"},
            {},
            "freeze_norms is train: .*, which freezes them, is not set",
        ),
    ],
)
def test_a_run_whose_groups_do_not_fit_is_refused(changes, parts, said):
    with pytest.raises(UserError, match=said):
        make_run(config(**changes), data=ARRAYS, **parts)


def test_doctor_measures_the_updates_of_what_is_trained(finished):
    _, _, result = finished
    run = make_run(config(**FIELDS), data=ARRAYS)
    (verdict,) = verdicts(run, result.state)
    assert "of their size" in verdict.figures
    assert "conv1" not in verdict.figures


def test_doctor_knows_which_multiplier_makes_updates_too_large():
    def mend(rate, multipliers):
        settings = {"optimizer.name": "sgd", "optimizer.learning_rate": rate, "optimizer.multipliers": multipliers}
        run = make_run(config(**settings), data=ARRAYS)
        (verdict,) = verdicts(run, run.init_state())
        return verdict.mend

    own = mend(1e-2, (("classifier", 1e4, 1.0),))
    assert own.startswith(
        "another --config.optimizer.multipliers or layer_decay: the learning rate of classifier/kernel "
    )
    alone = mend(1e4, (("conv1|conv2|dense1", 1e-9, 1.0),))
    assert alone.startswith("a lower --config.optimizer.learning_rate; or for this layer alone ")
    assert alone.endswith("--config.optimizer.multipliers='classifier=0.1'")


def test_freezing_random_weights_is_a_warning():
    (remark,) = [line for line in make_run(config(**FIELDS), data=ARRAYS).remarks if "train.freeze" in line]
    assert remark.endswith("keeps random initial values: init_from begins with trained weights")


@pytest.mark.parametrize("changes", [{"parallel": "pmap"}, {"num_seeds": 2}])
def test_devices_and_seeds_leave_it_frozen(finished, tmp_path, changes):
    _, _, alone = finished
    result = train_and_evaluate(config(**FIELDS, **changes), tmp_path / "run", data=ARRAYS)
    one = jax.tree.map(lambda leaf: leaf[0], result.state) if result.state.step.ndim else result.state
    np.testing.assert_array_equal(one.params["conv1"]["kernel"], alone.state.params["conv1"]["kernel"])
    classifiers = (state.params["classifier"]["kernel"] for state in (one, alone.state))
    np.testing.assert_allclose(*classifiers, atol=1e-4)
    jax.tree.map(lambda leaf: np.testing.assert_array_equal(leaf, 0.0), one.collections["batch_stats"]["norm1"]["mean"])


def test_a_frozen_norm_may_see_a_single_value():
    own = {"model": Bottlenecked, "data": ARRAYS, "devices": jax.devices()[:1]}
    with pytest.raises(UserError, match="over a single value"):
        make_run(config(**ONE), **own)
    assert make_run(config(**ONE, **{"train.freeze": "norm"}), **own).statistics_examples is None


ONE = {"batch_size": 1, "model.fields": {}}


class Bottlenecked(nn.Module):
    num_classes: int

    @nn.compact
    def __call__(self, image, *, train=False):
        x = BatchNorm(use_running_average=not train, name="norm")(image.mean(axis=(1, 2)))
        return nn.Dense(self.num_classes, name="classifier")(x)

"""Stochastic weight averaging: which states are averaged, with which rate, and what becomes of the average."""

import json
from fractions import Fraction

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcnn
from jaxcnn.commands import evaluate as evaluate_command
from jaxcnn.commands import verify
from jaxcnn.errors import Fault, UserError
from jaxcnn.layers.norm import BatchNorm
from jaxcnn.layers.variables import STATISTICS
from jaxcnn.train.devices.mesh import make_mesh
from jaxcnn.train.files.average import load_average
from jaxcnn.train.files.checkpoint import Checkpoints
from jaxcnn.train.parts.frozen import Frozen
from jaxcnn.train.parts.snapshots import Snapshots
from jaxcnn.train.setup import make_run
from jaxcnn.train.state import Average, add_to_average
from jaxcnn.train.statistics import batch_sizes, estimate, estimate_on_training_split, rebatched
from tests.train.small_runs import ARRAYS, config
from tests.train.team import Team

DIGITS = {
    "data.name": "digits", "data.image_size": None, "model.norm": "batch", "batch_size": 64, "total_steps": 8,
    "swa.start": "3 steps", "swa.every": "2 steps",
}  # fmt: skip
TAKEN = (3, 5, 7)
"""The steps whose parameters `DIGITS` averages."""


def plan(start, every, **options):
    return Snapshots(start=Fraction(start), every=Fraction(every), **options)


@pytest.mark.parametrize(
    ("start", "every", "steps"),
    [(3, 2, [3, 5, 7, 9]), (9, 1, [9, 10]), (10, 5, [10]), ("5/2", "5/2", [3, 5, 8, 10]), (1, "10/3", [1, 5, 8])],
)
def test_the_first_state_is_at_the_start_and_each_further_one_at_the_step_that_completes_a_period(start, every, steps):
    found = plan(start, every)
    assert [step for step in range(1, 11) if found.at(step)] == steps
    assert found.count(10) == len(steps)
    following = [found.next(step) for step in range(10)]
    assert following == [next(taken for taken in [*steps, following[-1]] if taken > step) for step in range(10)]


def test_no_state_is_averaged_where_the_run_ends_first():
    assert plan(11, 1).count(10) == 0
    assert plan("21/2", 1).count(10) == 0  # which would be step 11


def test_the_learning_rate_is_that_of_the_schedule_up_to_the_start_and_then_constant():
    rate = plan(3, 2, learning_rate=0.05).rate(lambda step: 1.0 - 0.1 * step)
    np.testing.assert_allclose([rate(step) for step in range(6)], [1.0, 0.9, 0.8, 0.05, 0.05, 0.05], rtol=1e-6)


def test_a_cyclic_rate_is_lowest_in_the_step_before_each_state():
    """The paper's alpha(i) with alpha_1 = 0.4, alpha_2 = 0.1 and c = 3; states are taken after steps 2, 5 and 8."""
    rate = plan(2, 3, learning_rate=0.4, end_factor=0.25).rate(lambda step: 1.0)
    expected = [1.0, 1.0, 0.3, 0.2, 0.1, 0.3, 0.2, 0.1, 0.3]
    np.testing.assert_allclose([rate(jnp.int32(step)) for step in range(9)], expected, rtol=1e-6)


def test_the_average_is_the_mean_of_all_states():
    states = np.random.RandomState(0).normal(size=(7, 5)).astype(np.float32) + 3
    average = Average(jnp.int32(0), {"w": jnp.zeros(5), "n": jnp.int32(0)})
    for number, state in enumerate(states):
        average = add_to_average(average, {"w": jnp.asarray(state), "n": jnp.int32(number)})
    assert int(average.count) == 7
    np.testing.assert_allclose(average.params["w"], states.mean(axis=0), rtol=1e-6)
    assert int(average.params["n"]) == 6  # what is no float has no mean


@pytest.mark.parametrize(
    ("images", "most", "unit", "sizes"),
    [
        (100, 25, 1, [25] * 4),
        (100, 30, 1, [25] * 4),  # one size, one program
        (101, 30, 1, [26, 25, 25, 25]),
        (103, 24, 8, [24, 24, 24, 31]),
        (5, 64, 8, [5]),
        (1257, 64, 8, [64] * 17 + [56, 56, 57]),
    ],
)
def test_every_image_is_in_one_batch_and_none_is_much_smaller_than_the_others(images, most, unit, sizes):
    found = batch_sizes(images, most, unit)
    assert sum(found) == images
    assert found == sizes
    parts = np.split(np.arange(images), range(7, images, 7))
    batches = list(rebatched(parts, found))
    assert [len(batch) for batch in batches] == sizes
    np.testing.assert_array_equal(np.concatenate(batches), np.arange(images))


class Normed(nn.Module):
    """A norm whose input is the image, behind dropout."""

    norm: type

    @nn.compact
    def __call__(self, image, *, train=False):
        x = nn.Dropout(0.5, deterministic=not train)(image)
        return self.norm(use_running_average=not train)(x).mean(axis=(1, 2))


def flax_norm(**fields):
    return nn.BatchNorm(momentum=0.99, **fields)


def grouped(**fields):
    return BatchNorm(examples=4, **fields)


@pytest.mark.parametrize("norm", [flax_norm, grouped])
def test_statistics_are_the_mean_and_the_variance_over_the_whole_split(norm):
    """Whatever the momentum, the sizes of batches and the examples that share statistics in training."""
    scale = np.array([1, 30], np.float32)
    images = np.random.RandomState(0).normal(size=(37, 3, 3, 2)).astype(np.float32) * scale
    images += np.arange(37, dtype=np.float32)[:, None, None, None]
    net = Normed(norm)
    variables = net.init(jax.random.key(1), images[:1])
    sizes = batch_sizes(37, 10)
    [found], count = estimate(net.apply, [variables], rebatched([images], sizes), make_mesh())
    [statistics] = found[STATISTICS].values()
    assert count == 37
    exact = images.astype(np.float64)
    np.testing.assert_allclose(statistics["mean"], exact.mean(axis=(0, 1, 2)), rtol=2e-5)
    np.testing.assert_allclose(statistics["var"], exact.var(axis=(0, 1, 2)), rtol=2e-5)


def test_a_frozen_norm_keeps_its_statistics_and_those_behind_it_see_what_it_makes_of_images():
    class Two(nn.Module):
        @nn.compact
        def __call__(self, image, *, train=False):
            x = BatchNorm(use_running_average=not train, name="first")(image)
            return BatchNorm(use_running_average=not train, name="second")(x).mean(axis=(1, 2))

    images = np.random.RandomState(0).normal(size=(12, 3, 3, 2)).astype(np.float32) * 5
    net = Two()
    variables = net.init(jax.random.key(1), images[:1])
    frozen = Frozen("first")
    [found], _ = estimate(net.apply, [variables], [images[:6], images[6:]], make_mesh(), frozen=frozen)
    jax.tree.map(np.testing.assert_array_equal, found[STATISTICS]["first"], variables[STATISTICS]["first"])
    seen = images / np.sqrt(1 + 1e-5)  # by the first statistics, mean 0 and variance 1
    np.testing.assert_allclose(found[STATISTICS]["second"]["var"], seen.var(axis=(0, 1, 2)), rtol=1e-4)


class Squared(nn.Module):
    """A norm of the image, and one of its normed square: how much the images of a batch differ."""

    num_classes: int = 4

    @nn.compact
    def __call__(self, image, *, train=False):
        for name in ("first", "second"):
            image = nn.BatchNorm(use_running_average=not train, use_bias=False, use_scale=False, name=name)(image) ** 2
        return nn.Dense(self.num_classes)(image.mean(axis=(1, 2)))


@pytest.mark.parametrize("placement", ["device", "stream"])
def test_images_that_lie_together_by_class_are_mixed(placement):
    """Each class has a grey of its own, so a batch of one class has a variance of 0."""
    label = np.repeat(np.arange(4), 16)
    image = np.broadcast_to((label * 60).astype(np.uint8)[:, None, None, None], (64, 12, 12, 3))
    data = {"train": (np.ascontiguousarray(image), label), "test": ARRAYS["test"], "val": ARRAYS["test"]}
    settings = config(**{"data.placement": placement, "data.validation": None, "batch_size": 16, "model.fields": {}})
    run = make_run(settings, data=data, model=Squared())
    variables = run.model.init(jax.random.key(0), np.zeros((1, *run.image_shape), np.float32))
    [found], count = estimate_on_training_split(run, [variables])
    run.pipeline.close()
    assert count == 64
    grey = np.array([-3, -1, 1, 3]) / np.sqrt(5)
    np.testing.assert_allclose(found[STATISTICS]["second"]["mean"], 1, rtol=1e-3)
    np.testing.assert_allclose(found[STATISTICS]["second"]["var"], (grey**2).var(), rtol=0.3)


class Watch:
    """Keeps a copy of the parameters at given steps, and may pause there."""

    def __init__(self, steps=TAKEN, pause=None):
        self.steps, self.pause, self.params = steps, pause, {}

    def start(self, training):
        self.training = training

    def due(self, step):
        return min((at for at in (*self.steps, self.pause or 0) if at > step), default=step + 100)

    def reached(self, step):
        if step in self.steps:
            self.params[step] = jax.device_get(self.training.state.params)
        if step == self.pause:
            self.training.pause()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on digits, its result, and its parameters at the averaged steps."""
    place, watch = tmp_path_factory.mktemp("swa") / "digits", Watch()
    return place, jaxcnn.train_and_evaluate(config(**DIGITS), place, hooks=[watch]), watch.params


def assert_mean(averaged, params):
    """The averaged net has the mean of what a hook has seen."""
    expected = jax.tree.map(lambda *leaves: np.mean(np.float64(leaves), axis=0), *params.values())
    close = {"rtol": 1e-5, "atol": 1e-7}
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, **close), averaged["params"], expected)


def test_a_run_on_digits_has_the_mean_of_its_states_with_statistics_of_its_images(trained):
    place, result, params = trained
    averaged = load_average(place / "swa.npz")
    assert (averaged.step, averaged.states, averaged.images) == (8, 3, 1257)
    assert sorted(params) == [*TAKEN]
    assert_mean(averaged.variables, params)
    run = make_run(config(**DIGITS))
    whole = run.pipeline.eval_batch(run.pipeline.eval_feed("train", 0, 1257), 0, 1257)["image"]
    last = {**averaged.variables, STATISTICS: jax.device_get(result.state.collections)[STATISTICS]}
    [exact], _ = estimate(run.model.apply, [last], [np.asarray(whole)], run.mesh)
    first = min(exact[STATISTICS])
    for name in ("mean", "var"):
        found = averaged.variables[STATISTICS][first][name]
        np.testing.assert_allclose(found, exact[STATISTICS][first][name], rtol=1e-4, atol=1e-6)
        assert not np.allclose(found, last[STATISTICS][first][name], rtol=1e-2)


def test_both_numbers_are_in_the_result_the_metrics_the_card_and_the_terminal(trained, capsys):
    place, result, _ = trained
    rows = [json.loads(line) for line in (place / "metrics.jsonl").read_text().splitlines()]
    assert {f"swa/{name}": value for name, value in result.swa.items()}.items() <= rows[-1].items()
    assert (result.swa["states"], result.swa["images"], result.swa["test/examples"]) == (3, 1257, 360)
    assert result.swa["test/accuracy"] != result.test["test/accuracy"]
    assert result.swa["before/val/loss"] != result.swa["val/loss"]
    card = json.loads((place / "run.json").read_text())
    assert card["swa"]["results"]["test/loss"] == {
        "averaged": result.swa["test/loss"], "last": result.test["test/loss"]
    }  # fmt: skip
    validated = next(row["val/loss"] for row in reversed(rows) if "val/loss" in row)
    assert card["swa"]["results"]["val/loss"]["last"] == validated
    assert card["resolved"]["swa"]["states"] == 3
    again = jaxcnn.train_and_evaluate(config(**DIGITS), place)  # it is finished, and says the same
    assert again.swa == result.swa
    shown = capsys.readouterr().out
    assert f"swa test loss      {result.swa['test/loss']:.4f}; last state {result.test['test/loss']:.4f}" in shown
    assert "the mean of 3 states; statistics of 1,257 un-augmented training images" in shown


def test_the_averaged_net_is_loaded_evaluated_and_verified_and_best_and_latest_are_as_ever(trained, tmp_path, capsys):
    place, result, params = trained
    averaged, latest = jaxcnn.load_run(place, "swa"), jaxcnn.load_run(place, "latest")
    assert (averaged.step, averaged.states, latest.states) == (8, 3, 1)
    assert_mean(averaged.variables, params)
    jax.tree.map(np.testing.assert_array_equal, latest.variables["params"], jax.device_get(result.state.params))
    for split in ("val", "test"):
        found = jaxcnn.evaluate(place, split=split, step="swa")
        assert found["nll"] == pytest.approx(result.swa[f"{split}/loss"], rel=1e-5)
    assert jaxcnn.evaluate(place, step="latest")["accuracy"] == result.test["test/accuracy"]
    file = tmp_path / "scores.json"
    assert evaluate_command.main([str(place), "--checkpoint=swa", f"--json={file}"]) == 0
    assert "step 8, the mean of 3 states" in capsys.readouterr().out
    assert json.loads(file.read_text())["states"] == 3
    (place / "predictions" / "swa_test.npz").unlink()  # and computed anew it is the same
    again = jaxcnn.evaluate(place, step="swa")
    assert again["nll"] == pytest.approx(found["nll"], rel=1e-5)
    assert verify.main([str(place)]) == 0
    assert "swa.npz: test/accuracy" in capsys.readouterr().out
    with pytest.raises(UserError, match="has statistics of un-augmented training images already"):
        jaxcnn.recalibrate(place, tmp_path / "new", step="swa")


def test_a_run_that_is_resumed_among_the_averaged_states_has_the_same_bits(trained, tmp_path):
    place, result, _ = trained
    with pytest.raises(jaxcnn.Preempted):
        jaxcnn.train_and_evaluate(config(**DIGITS), tmp_path, hooks=[Watch((), pause=6)])
    assert not (tmp_path / "swa.npz").exists()
    resumed = jaxcnn.train_and_evaluate(config(**DIGITS), tmp_path)
    one, other = (load_average(each / "swa.npz") for each in (place, tmp_path))
    jax.tree.map(np.testing.assert_array_equal, one.variables, other.variables)
    jax.tree.map(np.testing.assert_array_equal, result.state, resumed.state)
    assert resumed.swa == result.swa


def small(**changes):
    """A run on four classes of noise, of six steps."""
    settings = {"swa.start": "2 steps", "swa.every": "1 steps", "data.image_size": None, "total_steps": 4}
    return config(**settings | changes)


def test_a_net_without_batch_norm_needs_no_statistics_and_an_average_that_cannot_be_written_is_tried_again(
    tmp_path, capsys
):
    (tmp_path / "swa.npz").mkdir()
    with pytest.raises(Fault, match=r"swa\.npz cannot be written"):
        jaxcnn.train_and_evaluate(small(), tmp_path, data=ARRAYS)
    (tmp_path / "swa.npz").rmdir()
    result = jaxcnn.train_and_evaluate(small(), tmp_path, data=ARRAYS)
    assert result.swa["states"] == 3
    assert not [name for name in result.swa if name.startswith("before/") or name == "images"]
    assert "no batch norm, so none is estimated" in capsys.readouterr().out
    assert jaxcnn.load_run(tmp_path, "swa").states == 3


class StopAtOnce:
    def start(self, training):
        training.stop("it was enough")


def test_without_averaging_a_checkpoint_has_what_it_always_had_and_a_run_that_ends_early_says_so(tmp_path, capsys):
    plain, early = tmp_path / "plain", tmp_path / "early"
    without = {"swa.start": None, "swa.every": config().swa.every}
    jaxcnn.train_and_evaluate(small(**without), plain, data=ARRAYS, hooks=[StopAtOnce()])
    with Checkpoints(plain / "checkpoints", read_only=True) as checkpoints:
        assert set(checkpoints.read(checkpoints.steps()[-1])) == {"step", "params", "collections", "opt_state", "ema"}
    with pytest.raises(UserError, match="has no averaged net"):
        jaxcnn.load_run(plain, "swa")
    result = jaxcnn.train_and_evaluate(small(**{"swa.start": "4 steps"}), early, data=ARRAYS, hooks=[StopAtOnce()])
    assert result.swa == {}
    assert "nothing is averaged, since the run ended before swa.start" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"swa\.start"):  # a finished run does not change its mind
        jaxcnn.train_and_evaluate(small(), plain, data=ARRAYS)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"swa.start": "5 steps"},
            "swa.start is '5 steps', which is step 5: the run has 4 steps, and averages nothing",
        ),
        ({"swa.start": "0 steps"}, "swa.start is '0 steps': it must be at least one step"),
        ({"swa.every": "0 epochs"}, "swa.every is '0 epochs': it must be at least one step"),
        ({"swa.start": "soon"}, "swa.start is 'soon': write a number of steps or epochs"),
        ({"swa.learning_rate": 0.0}, "swa.learning_rate is 0.0: it must be a number in (0, inf)"),
        ({"swa.start": None, "swa.learning_rate": 0.1}, "swa.learning_rate is 0.1: it holds from swa.start on"),
        ({"swa.start": None, "swa.every": "0"}, "swa.every is '0': it counts from swa.start, which is not set"),
        ({"swa.end_factor": 0.5}, "swa.end_factor is 0.5: it is a share of swa.learning_rate, which is not set"),
    ],
)
def test_a_wrong_setting_is_one_clear_line(changes, said):
    with pytest.raises(UserError) as error:
        make_run(small(**changes), data=ARRAYS)
    assert str(error.value).startswith(said)


def test_what_averaging_needs_of_objects_that_are_handed_over_is_said():
    import optax

    with pytest.raises(UserError, match="the optimizer was handed over, and has a learning rate of its own"):
        make_run(small(**{"swa.learning_rate": 0.1}), data=ARRAYS, tx=optax.sgd(0.1))
    images = np.zeros((8, 12, 12, 1), np.float32)
    batch = {"image": images, "label": np.arange(8) % 4}
    data = jaxcnn.Batches(
        train=lambda _: batch, val=[batch], test=[batch], examples=dict.fromkeys(("train", "val", "test"), 8),
        class_names="abcd",
    )  # fmt: skip
    with pytest.raises(UserError, match="take a net without batch norm"):
        make_run(small(**{"model.norm": "batch"}), data=data)
    assert make_run(small(), data=data).snapshots.count(4) == 3


def test_the_remark_says_what_is_averaged_and_what_would_keep_the_states_apart():
    told = make_run(small(), data=ARRAYS).remarks[-1]
    assert told.startswith("swa averages 3 states, one every 1 steps from step 2 on; under the cosine schedule")
    assert "swa.learning_rate" in told
    rated = make_run(small(**{"swa.learning_rate": 0.05, "swa.start": "4 steps"}), data=ARRAYS)
    assert rated.remarks[-1].startswith("warning: swa averages a single state, that of step 4")
    assert float(rated.learning_rate(4)) == pytest.approx(0.05)
    assert float(rated.learning_rate(3)) != pytest.approx(0.05)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"num_seeds": 2, "ema.decay": 0.9},
        {"parallel": "pmap", "accumulate_steps": 2, "model.norm_options.examples": 16},
        {"on_nonfinite": "skip", "steps_per_dispatch": 3, "data.placement": "stream"},
    ],
    ids=["seeds_and_ema", "pmap", "stream"],
)
def test_it_is_the_mean_however_the_run_is_trained(changes, tmp_path):
    if changes.get("data.placement") == "stream":
        changes = {**changes, "steps_per_dispatch": None}
    watch = Watch()
    result = jaxcnn.train_and_evaluate(config(**DIGITS | changes), tmp_path, hooks=[watch])
    averaged = load_average(tmp_path / "swa.npz")
    assert_mean(averaged.variables, watch.params)
    assert averaged.images == 1257
    assert 0 < result.swa["test/accuracy"] <= 1
    assert jaxcnn.evaluate(tmp_path, split="val", step="swa")["examples"] == 180


@pytest.mark.slow
def test_two_processes_average_as_one_with_two_devices(tmp_path):
    averaging = ("--config.swa.start=3 steps", "--config.swa.every=1 steps", "--config.model.norm=batch")
    with Team(tmp_path / "two", 2, *averaging) as two:
        assert two.statuses() == [0, 0], two.err(0) + two.err(1)
    with Team(tmp_path / "one", 1, *averaging, devices=2) as one:
        assert one.statuses() == [0], one.err(0)
    found, expected = (load_average(team.folder / "run" / "swa.npz") for team in (two, one))
    assert found.facts() == expected.facts()
    close = {"rtol": 1e-4, "atol": 1e-5}
    jax.tree.map(lambda *each: np.testing.assert_allclose(*each, **close), found.variables, expected.variables)

"""Several seeds at once: each net is the one that its seed gives alone."""

import os
import signal

import jax
import numpy as np
import pytest

from jaxcnn.errors import UserError
from jaxcnn.json_file import read_json
from jaxcnn.train.files.folder import read_lines
from jaxcnn.train.hooks.preemption import Preempted
from jaxcnn.train.loop import train_and_evaluate
from jaxcnn.train.seeds import each, init_key, one_of, randomness_of, seeds_of
from jaxcnn.train.setup import make_run
from tests.train import test_loop
from tests.train.test_loop import last_state
from tests.train.test_reliability import at_step

SEEDS = 3


def config(**changes):
    fields = {"features": (2,), "hidden": (), "smallest_image": 1, "padding": 2}
    return test_loop.config(**{"model.fields": fields, "data.image_size": 8, "data.augment": "shift(1)"} | changes)


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("seeds") / "together"
    settings = config(num_seeds=SEEDS, seed=5)
    return settings, workdir, train_and_evaluate(settings, workdir).test


@pytest.mark.parametrize("seed", [0, 7, 2**31, 2**32 - 1])
def test_a_seed_gives_the_same_keys_as_a_number_and_among_others(seed):
    alone = jax.random.split(jax.random.key(seed))
    first = max(seed - 1, 0)
    number = seed - first
    many = seeds_of(first, 2)
    for found in (init_key(seeds_of(seed, 1)), each(init_key, 2)(many)[number]):
        assert (jax.random.key_data(found) == jax.random.key_data(alone[0])).all()
    for randomness in (randomness_of(seeds_of(seed, 1)), one_of(each(randomness_of, 2)(many), number, 2)):
        assert (jax.random.key_data(randomness.key) == jax.random.key_data(alone[1])).all()
        assert int(randomness.seed) == seed


@pytest.mark.parametrize("number", [0, 2])
def test_each_net_is_the_one_of_its_seed_alone(together, tmp_path, number):
    settings, workdir, found = together
    alone = config(seed=5 + number, **{"data.split_seed": 5})
    result = train_and_evaluate(alone, tmp_path / "alone").test
    net = one_of(last_state(settings, workdir), number, SEEDS)
    expected = last_state(alone, tmp_path / "alone")
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), net, expected)
    assert found[f"test/accuracy/seed{5 + number}"] == pytest.approx(result["test/accuracy"], abs=1 / 360)
    assert found[f"test/loss/seed{5 + number}"] == pytest.approx(result["test/loss"], rel=1e-4)


def test_metrics_are_of_each_seed_and_their_mean(together, capsys):
    settings, workdir, found = together
    lines = read_lines(workdir / "metrics.jsonl")
    for kind in ("train", "val", "test"):
        line = next(line for line in lines if f"{kind}/loss" in line)
        losses = [line[f"{kind}/loss/seed{seed}"] for seed in (5, 6, 7)]
        assert len(set(losses)) == SEEDS
        assert line[f"{kind}/loss"] == pytest.approx(np.mean(losses))
        assert line[f"{kind}/loss/std"] == pytest.approx(np.std(losses, ddof=1))
        accuracies = [line[f"{kind}/accuracy/seed{seed}"] for seed in (5, 6, 7)]
        assert line[f"{kind}/accuracy/std"] == pytest.approx(np.std(accuracies, ddof=1))
    assert found["test/examples"] == 360
    one = make_run(config())
    assert read_json(workdir / "run.json")["parameters"] == sum(
        leaf.size for leaf in jax.tree.leaves(one.abstract_state().params)
    )
    assert read_json(workdir / "run.json")["seeds"] == [5, 6, 7]
    train_and_evaluate(settings, workdir)  # which is finished
    assert f", the mean of {SEEDS} seeds (deviation {found['test/accuracy/std']:.2%}, " in capsys.readouterr().out


def test_it_goes_on_to_the_same_bits(together, tmp_path, monkeypatch):
    settings, workdir, found = together
    at_step(monkeypatch, 3, lambda: signal_to_self())
    with pytest.raises(Preempted):
        train_and_evaluate(settings, tmp_path / "run")
    monkeypatch.undo()
    assert train_and_evaluate(settings, tmp_path / "run").test == found
    states = (last_state(settings, place) for place in (workdir, tmp_path / "run"))
    jax.tree.map(np.testing.assert_array_equal, *states)


def signal_to_self():
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_seed_that_is_not_finite_is_named(tmp_path):
    settings = config(num_seeds=2, seed=5, **{"optimizer.learning_rate": 1e30})
    with pytest.raises(UserError, match=r"^step \d+ of seed [56] is not finite, first .*"):
        train_and_evaluate(settings, tmp_path)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"num_seeds": 0}, r"^num_seeds is 0: it must be a whole number in \[1, 1024\]"),
        ({"parallel": "pmap"}, "^num_seeds is 2: several seeds are trained with parallel = jit"),
        ({"seed": 2**32 - 1}, "^seed is 4294967295 and num_seeds 2: the largest seed is 4294967295"),
        ({"data.placement": "stream"}, "^num_seeds is 2: streams serve one seed; set data.placement = device"),
    ],
)
def test_what_several_seeds_cannot_do_is_one_line(changes, says):
    with pytest.raises(UserError, match=says):
        make_run(config(**{"num_seeds": 2} | changes))

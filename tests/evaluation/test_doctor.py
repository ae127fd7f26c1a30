"""Each verdict of `doctor`, on a run that deserves it and on one that does not."""

import dataclasses
import json
import re
import shutil

import flax.linen as nn
import jax
import numpy as np
import pytest

import jaxcnn
from jaxcnn.commands import doctor as command
from jaxcnn.config.file import load_json
from jaxcnn.errors import UserError
from jaxcnn.evaluation.doctor import Verdict, _after_statistics, norms, record, units
from jaxcnn.evaluation.statistics import Answers
from jaxcnn.evaluation.subject import open_subject
from jaxcnn.train.files import fetch
from jaxcnn.train.setup import make_run
from tests.evaluation.altered import altered
from tests.train.small_runs import config

HEALTHY = {
    "data.name": "digits",
    "data.image_size": None,
    "data.augment": "",
    "model.norm": "batch",
    "model.act": "leaky_relu",
    "model.norm_options.momentum": 0.8,
    "schedule.name": "cosine",
    "total_steps": 120,
    "batch_size": 64,
    "eval_every": "60 steps",
    "log_every": "20 steps",
    "checkpoint_every": "120 steps",
}


def trained(place, **changes):
    jaxcnn.train_and_evaluate(config(**HEALTHY | changes), place)
    return place


def verdicts(run):
    return {each.question: each for each in jaxcnn.doctor(run)}


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("runs") / "healthy")


def test_a_healthy_run_has_one_thing_to_be_said(healthy, tmp_path, capsys):
    """Of 180 validation images more cannot be told, and all else is fine."""
    file = tmp_path / "verdicts.json"
    assert command.main([str(healthy), f"--json={file}"]) == 1
    found = {each["question"]: each for each in json.loads(file.read_text())}
    assert [name for name, each in found.items() if not each["good"]] == ["validation split"]
    assert found.keys() == {
        *("validation split", "learning rate", "generalisation", "running statistics", "statistics and accuracy"),
        *("dead units", "updates", "data"),
    }
    assert "180 validation images" in found["validation split"]["figures"]
    assert "of 180 validation images" in found["statistics and accuracy"]["figures"]
    assert "batches of 60" in found["statistics and accuracy"]["figures"]
    assert "1 of 8 questions" in capsys.readouterr().out


def recorded(run, **values):
    """Returns the verdicts on what a run has recorded, with other values in all rows that have such."""
    subject = open_subject(run, splits=("val",))
    rows = [row | {key: value for key, value in values.items() if key in row} for row in rows_of(run)]
    return {each.question: each for each in record.verdicts(subject, json.loads((run / "run.json").read_text()), rows)}


def rows_of(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_a_larger_validation_split_is_enough(healthy, tmp_path):
    run = altered(healthy, tmp_path / "run", lambda state: state)
    found = np.load(healthy / "predictions" / "val.npz")
    many = {name: np.concatenate([found[name]] * 12, axis=0) if found[name].ndim else found[name] for name in found}
    (run / "predictions").mkdir()
    np.savez(run / "predictions" / "val.npz", **many)
    assert recorded(run)["validation split"].good


def test_a_validation_split_that_the_data_cannot_give_is_not_advised(healthy):
    """The 180 images would have to be about 700, of 1,437 that are not for testing."""
    subject, card = open_subject(healthy, splits=("val",)), json.loads((healthy / "run.json").read_text())

    def mend(train):
        card["data"]["examples"] |= {"train": train}
        return next(iter(record.verdicts(subject, card, []))).mend

    assert re.match(r"--config\.data\.validation=\d+ and a new", mend(3000))
    assert re.match(r"compare several seeds.*: 480 images are too few for a validation split of \d+$", mend(300))


def test_the_learning_rate_of_weight_averaging_may_stay(healthy):
    subject, card = open_subject(healthy, splits=("val",)), json.loads((healthy / "run.json").read_text())
    rows = [{"train/learning_rate": card["resolved"]["learning_rate"]["peak"] / 2}]
    assert [each.good for each in record.verdicts(subject, card, rows)] == [False, False]
    card["resolved"]["swa"] = {"learning_rate": rows[0]["train/learning_rate"]}
    _, held = record.verdicts(subject, card, rows)
    assert held.good
    assert "swa.learning_rate" in held.figures
    card["resolved"]["swa"] = {"learning_rate": None}  # then it is the schedule's
    assert [each.good for each in record.verdicts(subject, card, rows)] == [False, False]


def test_an_unfinished_run_is_not_judged_by_its_end(healthy, capsys, monkeypatch):
    """Its rate is still high, as it must be, and it has kept no predictions."""
    subject, card = open_subject(healthy), json.loads((healthy / "run.json").read_text()) | {"total_steps": 5000}
    rows = [{"step": 140, "train/learning_rate": card["resolved"]["learning_rate"]["peak"]}]
    found = list(record.verdicts(subject, card, rows))
    assert {each.question: each.good for each in found} == {"validation split": None, "learning rate": None}
    assert all(each.figures.startswith("not finished, step 140 of 5,000: ") for each in found)
    monkeypatch.setattr(command, "doctor", lambda *_, **__: found)
    assert command.main([str(healthy)]) == 0
    shown = capsys.readouterr().out
    assert "-      learning rate: not finished" in shown
    assert "all 0 questions: fine; 2 could not be asked" in shown
    stopped = card | {"stopped": {"step": 140, "reason": "no better"}}
    assert [each.good for each in record.verdicts(subject, stopped, rows)] == [None, False]


def test_running_statistics_that_are_off(healthy, tmp_path):
    def spoil(state):
        random = np.random.RandomState(0)
        factors = jax.tree.map(lambda leaf: np.exp(2 * random.normal(size=leaf.shape)), state.collections)
        spoilt = jax.tree.map(lambda leaf, factor: (leaf * factor).astype(leaf.dtype), state.collections, factors)
        return state.replace(collections=spoilt)

    run = altered(healthy, tmp_path / "spoilt", spoil)
    rows = [row | ({"val/accuracy": 0.1} if "val/accuracy" in row else {}) for row in rows_of(run)]
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = verdicts(run)
    for question in ("running statistics", "statistics and accuracy"):
        assert not found[question].good
        assert found[question].mend.startswith("`jaxcnn recalibrate")
    assert "by a factor of" in found["running statistics"].figures
    assert (found["generalisation"].good, found["generalisation"].mend) == (None, "")  # nothing is learnt by heart
    assert "and 10.0% on validation, which tells nothing before" in found["generalisation"].figures


def test_with_good_statistics_the_gap_to_training_is_overfitting():
    gap, fine = Verdict("generalisation", False, "wide", "less"), Verdict("statistics and accuracy", True, "same")
    assert _after_statistics([gap, fine]) == [gap, fine]
    assert _after_statistics([gap]) == [gap]


def right(places, *, statistics="new"):
    """What is right of 180 images with statistics of a kind."""
    return Answers(statistics=statistics, batch=60, place=np.arange(180), right=np.isin(np.arange(180), places))


@pytest.mark.parametrize(("more", "good"), [(1, True), (3, True), (5, True), (6, False)])
def test_new_statistics_gain_if_it_is_more_than_chance(more, good):
    """Of 5 images that one of two nets has right, all are of the same net once in 16 times; of 6, once in 32."""
    running = right(range(20, 120))
    found = norms._of_accuracy(running, running, right(range(20, 120 + more)))
    assert found.good is good
    assert found.figures.startswith("of 180 validation images, 55.56% are right with running statistics")
    assert ("chance" in found.figures) == (more in (3, 5))
    assert norms._of_accuracy(running, running, right(range(40, 120 + 26))).good  # 26 are gained, and 20 lost


@pytest.mark.parametrize(("images", "batch_size", "even"), [(180, 64, 60), (64, 64, 64), (20, 64, 20), (500, 64, 62)])
def test_batches_leave_hardly_an_image_out(images, batch_size, even):
    assert norms._even(images, batch_size) == even


def of_units(run):
    made = make_run(load_json(run / "config.json")[0])
    return {each.question: each for each in units.verdicts(made, open_subject(run))}


def test_dead_units(tmp_path):
    alive = trained(tmp_path / "alive", **{"model.act": "relu", "total_steps": 2})

    def kill(state):
        params = dict(state.params)
        name = next(name for name in params if "norm" in name and params[name]["bias"].ndim == 1)
        params[name] = {**params[name], "bias": params[name]["bias"] - 100.0}
        return state.replace(params=params)

    found = of_units(altered(alive, tmp_path / "dead", kill))["dead units"]
    assert not found.good
    assert "100.0% of the channels are 0 for all of 512 images" in found.figures


class Untold(nn.Module):
    """A net of somebody's own that sows nothing."""

    @nn.compact
    def __call__(self, image, *, train=False):
        return nn.Dense(10)(nn.relu(nn.Dense(4)(image.reshape(len(image), -1))))


def test_of_a_net_that_sows_nothing_the_questions_on_units_are_named(healthy):
    made, subject = make_run(load_json(healthy / "config.json")[0]), open_subject(healthy)
    variables = Untold().init(jax.random.key(0), np.zeros((1, 32, 32, 1), np.float32))
    found = list(units.verdicts(made, dataclasses.replace(subject, model=Untold(), members=(variables,))))
    assert [(each.question, each.good) for each in found] == [("dead units", None), ("saturated units", None)]
    assert "self.sow('intermediates'" in found[0].figures


def test_of_a_run_with_parts_in_python_it_is_said_what_is_left_out(healthy, tmp_path):
    run = shutil.copytree(healthy, tmp_path / "given")
    (run / "run.json").write_text(json.dumps(json.loads((run / "run.json").read_text()) | {"given": {"tx": "mine"}}))
    found = verdicts(run)
    assert found.keys() == {
        "validation split",
        "learning rate",
        "generalisation",
        "data",
        "statistics, units and updates",
    }
    assert "was given tx in Python" in found["statistics, units and updates"].figures


def test_saturated_units(tmp_path):
    plain = {"model.act": "tanh", "model.norm": "none", "model.norm_options.momentum": None}
    calm = trained(tmp_path / "calm", **plain, total_steps=2)
    assert of_units(calm)["saturated units"].good

    def push(state):
        return state.replace(params=jax.tree.map(lambda leaf: leaf * 50, state.params))

    assert not of_units(altered(calm, tmp_path / "pushed", push))["saturated units"].good


def test_a_learning_rate_that_stays_high_and_updates_that_are_too_large(tmp_path):
    changes = {"schedule.name": "constant", "optimizer.learning_rate": 30.0, "total_steps": 6}
    found = verdicts(trained(tmp_path / "wild", **changes, **{"optimizer.name": "sgd", "on_nonfinite": "skip"}))
    assert not found["learning rate"].good
    assert "100.0% of its peak" in found["learning rate"].figures
    assert not found["updates"].good
    assert "lower --config.optimizer.learning_rate" in found["updates"].mend


def test_training_far_above_validation(healthy):
    assert recorded(healthy)["generalisation"].good
    assert not recorded(healthy, **{"val/accuracy": 0.2})["generalisation"].good


def test_training_that_waited_for_data(healthy):
    assert recorded(healthy)["data"].good
    slow = recorded(healthy, **{"train/data_wait": 0.3})["data"]
    assert (slow.good, slow.figures) == (False, "training waited for data 30.0% of its time")


def test_what_cannot_be_examined_is_said(tmp_path):
    with pytest.raises(UserError, match="is neither a run"):
        jaxcnn.doctor(tmp_path / "nothing")
    with pytest.raises(UserError, match=r"resnet18 is no run: of imported weights nothing is recorded"):
        jaxcnn.doctor("hf:timm/resnet18")


def test_of_several_seeds_the_verdicts_on_one_net_say_so_and_a_bucket_is_read_once(tmp_path, memory, monkeypatch):
    run = trained(tmp_path / "two", num_seeds=2, total_steps=2, **{"model.norm_options.momentum": 0.5})
    monkeypatch.setattr(fetch.tempfile, "tempdir", str(tmp_path))
    memory.fill(run, "gs://box/two")
    found = verdicts("gs://box/two")
    assert {name for name, each in found.items() if not each.figures.startswith("of seed 0, the first of 2: ")} == (
        found.keys() & {"learning rate", "generalisation", "data"}
    )
    jaxcnn.recalibrate("gs://box/two", tmp_path / "new")
    brought = [path for call, path in memory.calls if call == "get_file" and path.endswith("config.json")]
    assert len(brought) == 2  # once by each command

"""What a folder says of its run: when, how long, by which command, and what the words of its config meant."""

import datetime
import json
import math
import re
import shutil
import sys
from pathlib import Path

import jax
import pytest

from jaxcnn.json_file import read_json
from jaxcnn.models import create_model, list_models
from jaxcnn.models.described import fields_of
from jaxcnn.train.card import RunCard
from jaxcnn.train.files.clock import Clock
from jaxcnn.train.files.folder import RunFolder, read_lines
from jaxcnn.train.hooks.report import opening, result_rows
from jaxcnn.train.loop import train_and_evaluate
from jaxcnn.train.resolved import group_counts, resolved
from jaxcnn.train.setup import make_run
from jaxcnn.train.span import Span, waiting
from tests.train import small_runs

ROOT = Path(__file__).parents[2]


def config(**changes):
    fields = {"features": (4,), "hidden": (), "smallest_image": 1, "padding": 2}
    return small_runs.config(**{"model.fields": fields, "log_every": "1 steps", "eval_every": "2 steps"} | changes)


def times(workdir):
    return [line["time"] for line in read_lines(workdir / "metrics.jsonl")]


@pytest.fixture(scope="module")
def restarted(tmp_path_factory):
    """A run that was made longer, and what its folder held before that."""
    workdir = tmp_path_factory.mktemp("runs") / "run"
    train_and_evaluate(config(total_steps=2), workdir)
    before = read_json(workdir / "run.json"), times(workdir)
    train_and_evaluate(config(total_steps=4), workdir)
    return workdir, *before


def test_every_line_has_epoch_and_time_and_training_its_seconds(restarted):
    lines = read_lines(restarted[0] / "metrics.jsonl")
    assert [line["epoch"] for line in lines] == pytest.approx([line["step"] * 8 / 1257 for line in lines])
    assert times(restarted[0]) == sorted(times(restarted[0]))
    trained = [line for line in lines if "train/loss" in line]
    assert [line["step"] for line in trained] == [1, 2, 3, 4]
    compiled = [line["train/images_per_second"] is None for line in trained]
    assert compiled == [True, False, True, False]  # the first step of a start compiles, and is all of its log
    for line in (trained[1], trained[3]):
        assert line["train/images_per_second"] == pytest.approx(8 / line["train/seconds"], rel=1e-2)
    assert not any("train/seconds" in line for line in lines if "val/loss" in line)


def test_time_goes_on_over_restarts_and_the_card_has_the_whole(restarted):
    workdir, card, before = restarted
    assert times(workdir)[: len(before)] == before
    assert times(workdir)[len(before)] > card["duration_seconds"] >= before[-1]
    now = read_json(workdir / "run.json")
    assert now["duration_seconds"] >= times(workdir)[-1]


def test_the_card_has_the_peak_of_all_starts_and_no_failure_of_a_finished_run(restarted):
    workdir, card, _ = restarted
    now = read_json(workdir / "run.json")
    assert now["peak_memory"]["process"] >= card["peak_memory"]["process"] > 10_000_000
    assert now["failed"] is None


def test_the_card_says_how_and_when_the_run_was_started(restarted):
    workdir, card, _ = restarted
    assert card["command_line"] == sys.orig_argv
    assert card["restarts"] == []
    now = read_json(workdir / "run.json")
    assert now["started"] == card["started"]
    (restart,) = now["restarts"]
    assert (restart["step"], restart["command_line"]) == (2, sys.orig_argv)
    first, second = (datetime.datetime.fromisoformat(text) for text in (now["started"], restart["started"]))
    assert first.utcoffset() == datetime.timedelta(0)
    assert first <= second <= datetime.datetime.now(datetime.UTC)


@pytest.mark.parametrize("last", [{}, {"time": 8.5}])
def test_time_goes_on_from_the_last_line_of_a_run_that_was_killed(tmp_path, last):
    folder = RunFolder(tmp_path)
    folder.metrics.write_text("".join(json.dumps({"step": step} | last) + "\n" for step in (1, 2)))
    run, clock = make_run(config()), Clock()
    RunCard(run, folder, clock, {"duration_seconds": 4.0}, 1).begin([], finished=False)
    card = read_json(folder.card)
    assert (card["started"], [start["step"] for start in card["restarts"]]) == (None, [1])
    before = last.get("time", 4.0)
    assert before <= read_json(folder.card)["duration_seconds"] <= clock.seconds() < before + 4


def test_every_key_of_the_files_is_explained(restarted):
    explained = set(re.findall(r"`([\w/]+)`", (ROOT / "docs" / "run_folder.md").read_text()))
    keys = set(read_json(restarted[0] / "run.json")).union(*read_lines(restarted[0] / "metrics.jsonl"))
    assert keys <= explained


def test_a_finished_run_that_is_asked_for_again_keeps_its_card(restarted, capsys):
    content = (restarted[0] / "run.json").read_text()
    train_and_evaluate(config(total_steps=4), restarted[0])
    assert (restarted[0] / "run.json").read_text() == content
    assert "; started 2 times" in capsys.readouterr().out


def test_a_folder_from_before_times_were_kept_goes_on(restarted, tmp_path):
    workdir = tmp_path / "run"
    shutil.copytree(restarted[0], workdir)
    new = {"epoch", "time", "train/seconds"}
    lines = [{key: line[key] for key in line.keys() - new} for line in read_lines(workdir / "metrics.jsonl")]
    (workdir / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    card = read_json(workdir / "run.json")
    gone = ("started", "restarts", "duration_seconds", "command_line", "resolved", "seeds")
    (workdir / "run.json").write_text(json.dumps({key: value for key, value in card.items() if key not in gone}))
    train_and_evaluate(config(total_steps=5), workdir)
    assert all("time" in line for line in read_lines(workdir / "metrics.jsonl")[len(lines) :])
    now = read_json(workdir / "run.json")
    assert (now["started"], len(now["restarts"])) == (None, 1)


def test_a_span_of_compiling_alone_has_no_speed():
    sums = {"loss": 1.0, "accuracy": 1, "examples": 2, "nonfinite": 0}
    compiled = Span(sums, seconds=1e-9).values(())
    assert math.isnan(compiled["train/images_per_second"])
    assert math.isnan(compiled["train/data_wait"])
    found = Span(sums, images=10, seconds=2.0, waited=0.5).values(())
    assert (found["train/images_per_second"], found["train/data_wait"]) == (5.0, 0.25)


def test_the_share_of_waiting_is_that_of_all_seconds():
    rows = [
        {"train/seconds": 3.0, "train/data_wait": 0.1},
        {"train/seconds": 1.0, "train/data_wait": 0.5},
        {"train/seconds": 9.0, "train/data_wait": None},
        {"val/loss": 1.0},
    ]
    assert waiting(rows) == pytest.approx(0.2)
    assert waiting([{"train/seconds": 9.0}]) is None  # of a version that did not measure it


@pytest.mark.parametrize("num_seeds", [1, 3])
def test_what_words_meant_is_in_numbers(num_seeds):
    changes = {
        "model.norm": "group",
        "optimizer.weight_decay": 0.1,
        "num_seeds": num_seeds,
        "schedule.warmup": "1 epoch",
    }
    run = make_run(config(batch_size=80, total_steps=30, log_every="1 epoch", **changes))
    meant = resolved(run)
    json.dumps(meant, allow_nan=False)
    (path,) = group_counts(run)
    assert meant["norm"] == {"name": "group", "epsilon": 1e-5, "num_groups": {path: 1}}
    assert meant["weight_decay"] == {
        "rate": 0.1,
        "decayed": {"kernel": 25 * 4 + 36 * 4 * 10},
        "not_decayed": {"scale": 4, "bias": 4 + 10},
    }
    assert meant["learning_rate"]["warmup"] == 16
    assert meant["periods"]["log_every"] == 1257 / 80
    assert (meant["model"]["class"], meant["model"]["padding"], meant["model"]["act"]) == ("LeNet", 2, "scaled_tanh")


def test_options_of_batch_norm_are_those_in_use():
    run = make_run(config(**{"model.norm": "batch", "model.norm_options.momentum": 0.5}))
    norm = resolved(run)["norm"]
    assert (norm["name"], norm["momentum"], norm["epsilon"], norm["unbiased"]) == ("batch", 0.5, 1e-5, False)


@pytest.mark.parametrize("name", list_models())
def test_the_fields_of_every_net_can_be_written_and_are_the_same_in_every_process(name):
    text = json.dumps(fields_of(create_model(name, num_classes=10)), allow_nan=False)
    assert " at 0x" not in text


def test_words_for_padding_are_told_in_cells():
    fields = {"features": (4, 4), "hidden": (), "smallest_image": 1, "kernel_size": 4}
    run = make_run(config(**{"model.fields": fields | {"padding": "same"}}))
    assert set(map(str, resolved(run)["padding"].values())) == {"[[1, 2], [1, 2]]"}
    assert len(run.paddings) == 2
    assert make_run(config()).paddings == {}


def test_decay_of_everything_and_of_nothing():
    everything = resolved(make_run(config(**{"optimizer.weight_decay": 0.1, "optimizer.decay_all": True})))
    assert everything["weight_decay"]["not_decayed"] == {}
    assert resolved(make_run(config()))["weight_decay"]["decayed"] == {}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model.norm": "group", "model.norm_options.num_groups": 2}, "lenet5: group norm (2 groups), scaled_tanh, "),
        ({"model.norm": "batch", "model.act": "gelu"}, "lenet5: batch norm (over 8 examples), gelu, "),
        ({"model.name": "resnet20", "model.norm": "group", "model.fields": {}}, "group norm (4 to 32 groups), relu, "),
        ({}, "lenet5: no norm, scaled_tanh, 1,554 parameters, images of 12x12x1, float32"),
    ],
)
def test_the_opening_says_which_net(changes, told, tmp_path):
    (net,) = opening(make_run(config(**changes)), tmp_path, 0)["net"]
    assert told in net


def test_the_opening_says_which_data_how_long_and_where(tmp_path):
    lines = opening(make_run(config(num_seeds=2, seed=7)), tmp_path, 3)
    assert lines["data"][0] == "digits: 10 classes (0, 1, 2, 3, 4, 5, ...); 1,257 train, 180 val, 360 test"
    assert lines["steps"] == [f"6 x 8 examples (0.038 epochs) on {len(jax.devices())} x cpu, from step 3"]
    assert lines["seeds"] == ["7 to 8 at once"]
    assert lines["results"] == [str(tmp_path)]


@pytest.mark.parametrize(
    ("decay", "tested"),
    [(None, "the last one, step 6 (epoch 0.038)"), (0.9, "the moving average (ema.decay 0.9), step 6")],
)
def test_the_table_says_what_was_tested_what_was_best_and_how_long_it_took(decay, tested, tmp_path):
    run = make_run(config(**{"ema.decay": decay}))
    lines = [
        {"step": 2, "train/seconds": 40.0},
        *({"step": step, "val/accuracy": value} for step, value in ((2, 0.5), (4, 0.75), (6, 0.75), (7, None))),
    ]
    card = {"duration_seconds": 100.0, "restarts": [{}, {}]}
    rows = result_rows(run, tmp_path, 6, {"test/accuracy": 0.5, "test/loss": 1.0, "test/examples": 360}, lines, card)
    assert rows["state tested"].startswith(tested)
    assert rows["best val"] == "75.00% at step 4 (epoch 0.025)"
    assert rows["time"] == "1 min 40 s, 40 s of them in training steps; started 3 times"
    assert rows["run folder"] == str(tmp_path)


def test_of_a_batch_taken_in_parts_the_examples_of_one_share_statistics():
    run = make_run(config(batch_size=16, accumulate_steps=2, **{"model.norm": "batch"}))
    assert "batch norm (over 8 examples)" in opening(run, Path("run"), 0)["net"][0]

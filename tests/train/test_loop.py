"""Whole runs on the digits: train, evaluate, stop, go on, finish."""

import json

import jax
import numpy as np
import pytest

from jaxcnn.config import base_config
from jaxcnn.errors import UserError
from jaxcnn.train import setup, training
from jaxcnn.train.devices.mesh import make_mesh, replicated
from jaxcnn.train.evaluate import make_evaluator
from jaxcnn.train.files.checkpoint import Checkpoints
from jaxcnn.train.files.folder import read_lines
from jaxcnn.train.loop import train_and_evaluate
from jaxcnn.train.parts.losses import make_loss
from jaxcnn.train.setup import make_run


def config(**changes):
    base = base_config()
    base.batch_size = 64
    base.total_steps = 6
    base.eval_every = "3 steps"
    base.checkpoint_every = "2 steps"
    base.log_every = "2 steps"
    base.tensorboard = False
    base.data.augment = "shift(2), flip()"
    base.data.image_size = 12
    base.model.fields = {"features": (4, 8), "hidden": (16,), "smallest_image": 1, "padding": 2}
    base.model.norm = "batch"
    base.model.dropout_rate = 0.3
    base.optimizer.weight_decay = 1e-3
    base.ema.decay = 0.9
    base.update_from_flattened_dict(changes)
    return base


def last_state(settings, workdir):
    run = make_run(settings)
    with Checkpoints(workdir / "checkpoints") as checkpoints:
        return checkpoints.restore(run.abstract_state(), replicated(run.mesh))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run from start to end without a stop."""
    workdir = tmp_path_factory.mktemp("runs") / "whole"
    return workdir, train_and_evaluate(config(), workdir).test


def test_a_run_leaves_its_folder(finished):
    workdir, result = finished
    assert set(result) == {"test/accuracy", "test/loss", "test/examples"}
    assert result["test/examples"] == 360
    assert json.loads((workdir / "config.json").read_text())["total_steps"] == 6
    card = json.loads((workdir / "run.json").read_text())
    assert card["statistics_examples"] == 64
    assert card["data"]["examples"] == {"train": 1257, "val": 180, "test": 360}
    assert card["parameters"] == sum(leaf.size for leaf in jax.tree.leaves(last_state(config(), workdir).params))
    assert len(card["devices"]) == 8
    lines = read_lines(workdir / "metrics.jsonl")
    assert [line["step"] for line in lines if "train/loss" in line] == [2, 4, 6]
    assert [line["step"] for line in lines if "val/accuracy" in line] == [3, 6]
    assert all(line["val/examples"] == 180 for line in lines if "val/examples" in line)
    assert all(line["train/examples"] == 128 for line in lines if "train/examples" in line)
    assert {key: lines[-1][key] for key in result} == result


class StopRunError(Exception):
    """A run that dies."""


@pytest.mark.parametrize("after", [3, 5])
def test_a_stopped_run_goes_on_to_the_same_bits(finished, tmp_path, monkeypatch, after):
    make = training.make_dispatch

    def dying(*arguments, **options):
        dispatch = make(*arguments, **options)

        def wrapped(state, *rest, **options):
            if int(state.step) == after:
                raise StopRunError
            return dispatch(state, *rest, **options)

        return wrapped

    monkeypatch.setattr(training, "make_dispatch", dying)
    with pytest.raises(StopRunError):
        train_and_evaluate(config(), tmp_path)
    monkeypatch.undo()
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        assert checkpoints.steps()[-1] in (after - 1, after)
    assert train_and_evaluate(config(), tmp_path).test == finished[1]
    one, other = last_state(config(), tmp_path), last_state(config(), finished[0])
    assert int(one.step) == 6
    jax.tree.map(np.testing.assert_array_equal, one, other)
    steps = [line["step"] for line in read_lines(tmp_path / "metrics.jsonl") if "train/loss" in line]
    assert steps == sorted(set(steps))


def test_a_finished_run_says_so_and_a_longer_one_goes_on(finished, tmp_path, capsys):
    train_and_evaluate(config(total_steps=3), tmp_path)
    capsys.readouterr()
    again = train_and_evaluate(config(total_steps=3), tmp_path).test
    assert "is finished: step 3 of 3" in capsys.readouterr().out
    assert again["test/examples"] == 360
    train_and_evaluate(config(total_steps=5, eval_every="1 epoch"), tmp_path)
    output = capsys.readouterr().out
    assert "from step 3" in output
    assert "the cosine schedule is recomputed: it now ends at step 5" in output
    assert [line["step"] for line in read_lines(tmp_path / "metrics.jsonl") if "test/accuracy" in line] == [3, 5]


def test_another_config_in_the_same_folder_is_refused(finished):
    with pytest.raises(UserError, match=r"optimizer.learning_rate \(0.1 -> 0.2\)"):
        train_and_evaluate(config(**{"optimizer.learning_rate": 0.2}), finished[0])


def test_a_run_is_not_shortened_below_what_it_has_done(finished):
    card = (finished[0] / "run.json").read_text()
    with pytest.raises(UserError, match="holds step 6, beyond the 2 steps"):
        train_and_evaluate(config(total_steps=2), finished[0])
    assert (finished[0] / "run.json").read_text() == card


def test_label_smoothing_is_not_in_the_evaluation_loss(finished):
    smooth = config(**{"loss.label_smoothing": 0.3})
    found = make_evaluator(make_run(smooth), batch_size=64)(last_state(config(), finished[0]), "test")
    assert found["test/loss"] == pytest.approx(finished[1]["test/loss"], rel=1e-6)


def test_the_loss_of_evaluation_is_the_one_that_is_trained_on():
    run = make_run(config(**{"loss.name": "binary", "loss.label_smoothing": 0.3}))
    logits, label = np.array([[2.0, -1.0, 0.5]], np.float32), np.array([2])
    np.testing.assert_allclose(run.eval_loss_fn(logits, label), make_loss("binary")(logits, label))


@pytest.mark.parametrize("devices", [1, 2, 8])
def test_evaluation_is_the_same_number_whatever_the_batch_and_the_devices(finished, monkeypatch, devices):
    monkeypatch.setattr(setup, "make_mesh", lambda _: make_mesh(jax.devices()[:devices]))
    settings, (workdir, expected) = config(), finished
    state, run = last_state(settings, workdir), make_run(settings)
    assert run.mesh.size == devices
    for batch_size in (7, 64, 10**12):
        found = make_evaluator(run, batch_size=batch_size)(state, "test")
        assert (found["test/examples"], found["test/accuracy"]) == (360, expected["test/accuracy"])
        assert found["test/loss"] == pytest.approx(expected["test/loss"], rel=1e-6)


def test_several_steps_a_dispatch_reach_the_same_parameters(finished, tmp_path):
    train_and_evaluate(config(steps_per_dispatch=2, checkpoint_every="1 epoch"), tmp_path)
    one, other = last_state(config(), tmp_path), last_state(config(), finished[0])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), one.params, other.params)
    lines = [line for line in read_lines(tmp_path / "metrics.jsonl") if "train/loss" in line]
    assert lines[0]["train/images_per_second"] is None  # two steps in one call, which compiled
    counted = [line["train/images_per_second"] * line["train/seconds"] / 64 for line in lines[1:]]
    assert counted == pytest.approx([1, 2], rel=1e-2)  # step 3 compiled another program, of one step


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model.name": "lenet6"}, "did you mean lenet5"),
        ({"model.norm": "bach"}, "did you mean batch"),
        ({"model.act": "rel"}, "did you mean relu"),
        ({"model.stem": "large"}, "unknown stem"),
        ({"model.remat": True}, "remat computes blocks of several layers again, and this net has none"),
        ({"data.name": "digit"}, "did you mean digits"),
        ({"data.augment": "flipp()"}, "did you mean flip"),
        ({"data.augment": "mixup(num_classes=3)"}, "num_classes comes from the data"),
        ({"eval_views": "center_crop(8)"}, "lenet5 trained on images of 12x12x1 takes none of 8x8x1"),
        ({"optimizer.name": "adm"}, "did you mean adam"),
        ({"schedule.name": "cosin"}, "did you mean cosine"),
        ({"loss.name": "softmx"}, "did you mean softmax"),
        ({"precision": "float16"}, "did you mean bfloat16 or float32"),
        ({"parallel": "pmapp"}, "unknown parallel"),
        ({"batch_size": 63}, "batch_size is 63: it must be a positive multiple of the 8 devices"),
        ({"model.norm_options.examples": 48}, "must divide batch_size, 64"),
        ({"optimizer.learning_rate": -1.0}, "optimizer.learning_rate is -1.0: it must be a number in"),
        ({"seed": 2**40}, "seed is"),
        ({"data.image_size": 10**6}, "data.image_size is 1000000"),
        ({"optimizer.beta1": 1.0}, r"optimizer.beta1 is 1.0: it must be a number in \[0, 1\)"),
        ({"optimizer.clip_norm": 0.0}, "optimizer.clip_norm is 0.0"),
        ({"batch_size": 1264}, "batch_size is 1264: digits trains on 1257 examples, so at most 1256"),
        ({"data.augment": "shift(12)"}, "shift: pixels is 12: the image has 12"),
        ({"model.fields": {"num_classes": 3}}, "model.fields holds num_classes"),
        ({"model.fields": {"hidden": "abc"}}, "cannot be built with these fields"),
        ({"eval_every": "1 hour"}, "eval_every is '1 hour'"),
        ({"total_steps": 0}, "trains nothing"),
        ({"total_epochs": float("nan"), "total_steps": None}, "total_epochs is nan"),
        ({"ema.decay": 1.5}, "ema.decay is 1.5: it must be a number in"),
        ({"schedule.warmup": "9 stops"}, "schedule.warmup is '9 stops'"),
        ({"schedule.name": "multistep"}, "needs schedule.boundaries"),
        ({"data.name": "mnist", "data.dir": "/no/such/place"}, "prepare mnist"),
        ({"model.fields": {"padding": 0, "smallest_image": 1}}, "12x12 does not pass"),
        ({"model.fields": {"strides": 2}}, "unknown field of lenet5 'strides'"),
    ],
)
def test_bad_input_is_one_line_before_anything_is_written(tmp_path, changes, says):
    with pytest.raises(UserError, match=says) as caught:
        train_and_evaluate(config(**changes), tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()

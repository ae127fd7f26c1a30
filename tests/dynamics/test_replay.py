"""A step that is taken again is the step that training took: the same batch, the same loss to the last bit."""

import json
import shutil

import jax
import numpy as np
import pytest

import jaxcnn
from jaxcnn.commands import replay as command
from jaxcnn.errors import UserError
from jaxcnn.train.setup import make_run
from tests.own_parts import one_layer
from tests.train.small_runs import ARRAYS, config

DIGITS = {
    "data.name": "digits",
    "data.image_size": 8,
    "data.augment": "shift(2)",
    "batch_size": 16,
    "total_steps": 8,
    "log_every": "1 step",
    "checkpoint_every": "5 steps",
    "eval_every": "8 steps",
    "model.norm": "batch",
    "model.dropout_rate": 0.3,
    "optimizer.learning_rate": 0.01,
}


def trained(place, **changes):
    jaxcnn.train_and_evaluate(config(**DIGITS | changes), place)
    return place


def logged(run):
    """What training logged, by step."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {row["step"]: row for row in rows if "train/loss" in row}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("runs") / "digits")


@pytest.fixture(scope="module")
def seventh(run):
    return jaxcnn.replay(run, 7)


def test_a_step_behind_a_checkpoint_is_the_step_of_the_training(run, seventh):
    assert (seventh.checkpoint, seventh.again) == (5, 1)
    assert seventh.metrics["loss"] == logged(run)[7]["train/loss"]
    assert seventh.metrics["accuracy"] == logged(run)[7]["train/accuracy"]
    assert seventh.learning_rate == logged(run)[7]["train/learning_rate"]
    assert (seventh.compared.steps, seventh.compared.first) == ((6, 7), None)
    np.testing.assert_allclose(seventh.loss.mean(), seventh.metrics["loss"], rtol=1e-6)


def test_without_a_checkpoint_before_it_the_run_begins_anew(run):
    found = jaxcnn.replay(run, 2)
    assert (found.checkpoint, found.again) == (None, 1)
    assert found.metrics["loss"] == logged(run)[2]["train/loss"]
    assert found.compared.steps == (1, 2)


def test_the_batch_is_what_the_pipeline_gave_the_net(run, seventh):
    made = make_run(config(**DIGITS))
    batch = jax.jit(made.pipeline.train_batch)(made.pipeline.feed(6), np.int32(6))
    np.testing.assert_allclose(seventh.image, batch["image"], atol=1e-6)
    np.testing.assert_array_equal(seventh.label, batch["label"])
    source = made.dataset.sources["train"]
    np.testing.assert_array_equal(source.labels[seventh.index], seventh.label)
    assert len(set(seventh.index.tolist())) == 16
    seen = zip(seventh.pixels.astype(int), seventh.index.tolist(), strict=True)
    moved = [bool(np.abs(pixels - source[index]).max()) for pixels, index in seen]
    assert 0 < sum(moved) <= 16  # by up to two pixels


def test_gradients_and_updates_are_those_of_the_step(run, seventh):
    assert list(seventh.gradient_norm) == ["conv1", "norm1", "conv2", "norm2", "dense1", "classifier"]
    assert all(size > 0 for size in seventh.gradient_norm.values())
    assert all(0 < ratio < 1 for ratio in seventh.update_ratio.values())
    assert seventh.hardest[0] == int(np.argmax(seventh.loss))


@pytest.mark.parametrize(
    "changes",
    [
        {"accumulate_steps": 2, "data.placement": "stream", "ema.decay": 0.9},
        {"num_seeds": 2, "seed": 4, "steps_per_dispatch": 2, "log_every": "2 steps"},
        pytest.param(
            {"parallel": "pmap", "train.freeze": "conv1", "swa.start": "2 steps", "swa.every": "2 steps"},
            marks=pytest.mark.slow,
        ),
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_the_loss_is_the_logged_one_to_the_bit(changes, tmp_path):
    place = trained(tmp_path / "run", **changes)
    rows = logged(place)
    for seed in (4, 5) if "seed" in changes else (None,):
        found = jaxcnn.replay(place, 8, seed=seed)
        assert found.checkpoint == 5
        if seed is None:
            assert found.compared.first is None
        elif found.compared.first:  # two seeds in calls of two steps: some processors round the last step otherwise
            _, _, before, now = found.compared.first
            assert now == pytest.approx(before, rel=1e-6)
        assert 8 in found.compared.steps
        np.testing.assert_allclose(found.loss.mean(), found.metrics["loss"], rtol=1e-5)
        if rows[8]["train/examples"] == 16:  # the row is of this step alone
            assert found.metrics["loss"] == rows[8]["train/loss" if seed is None else f"train/loss/seed{seed}"]


def test_a_run_that_was_resumed_is_the_same(run, tmp_path):
    place = trained(tmp_path / "run", total_steps=4, **{"schedule.name": "constant"})
    trained(place, **{"schedule.name": "constant"})
    for step in (4, 7):
        found = jaxcnn.replay(place, step)
        assert found.metrics["loss"] == logged(place)[step]["train/loss"]
        assert found.compared.first is None
        assert found.compared.steps[-1] == step


def test_numbers_that_are_not_those_of_the_training_are_noticed(run, tmp_path, capsys):
    other = shutil.copytree(run, tmp_path / "other")
    rows = (other / "metrics.jsonl").read_text().splitlines()
    changed = [json.loads(line) for line in rows]
    for row in changed:
        if row["step"] == 6 and "train/loss" in row:
            row["train/loss"] = float(np.nextafter(row["train/loss"], 9))
    (other / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in changed))
    found = jaxcnn.replay(other, 7)
    assert found.compared.first[:2] == (6, "train/loss")
    assert command.main([str(other), "7"]) == 0
    assert "NOT the same as in training: at step 6 train/loss was logged as" in capsys.readouterr().out


@pytest.mark.slow
def test_a_step_that_is_not_finite_is_shown(tmp_path):
    wild = {
        "optimizer.learning_rate": 1e30,
        "optimizer.name": "sgd",
        "on_nonfinite": "stop",
        "schedule.name": "constant",
    }
    small = {"model.fields": {"features": (2,), "hidden": (), "smallest_image": 1}, "model.norm": "none"}
    with pytest.raises(UserError, match="is not finite") as error:
        trained(tmp_path / "run", **wild, **small)
    step = int(str(error.value).split()[1])
    found = jaxcnn.replay(tmp_path / "run", step)
    assert not found.finite
    assert set(found.update_ratio.values()) == {0.0}
    json.dumps(found.as_dict(), allow_nan=False)
    with pytest.raises(UserError, match=f"step {step} is not finite: the run came no further"):
        jaxcnn.replay(tmp_path / "run", step + 1)


def test_parts_that_were_given_in_python_are_given_again(tmp_path):
    parts = {"model": one_layer, "data": ARRAYS}
    settings = config(**{"model.fields": {}, "log_every": "1 step"})
    jaxcnn.train_and_evaluate(settings, tmp_path, **parts)
    found = jaxcnn.replay(tmp_path, 4, parts=parts)
    assert found.metrics["loss"] == logged(tmp_path)[4]["train/loss"]
    assert found.label.tolist() == [int(name) for name in map(found.names, range(8))]
    with pytest.raises(
        UserError, match=r'given data, model in Python: there, parts=."data": ..., "model": .... makes it'
    ):
        jaxcnn.replay(tmp_path, 4)


def test_the_command_writes_what_it_prints(run, tmp_path, capsys):
    page, numbers, arrays = tmp_path / "step.html", tmp_path / "step.json", tmp_path / "step.npz"
    assert command.main([str(run), "7", f"--output={page}", f"--json={numbers}"]) == 0
    said = capsys.readouterr().out
    assert "from the checkpoint of step 5, 1 step taken again before it" in said
    assert "what was logged at 2 steps, 6 to 7, is the same now, to the bit" in said
    found = json.loads(numbers.read_text())
    assert found["metrics"]["loss"] == logged(run)[7]["train/loss"]
    assert len(found["examples"]) == 16
    assert [each["layer"] for each in found["layers"]][:2] == ["conv1", "norm1"]
    assert page.read_text().count('<img src="data:image') == 16
    assert command.main([str(run), "7", f"--output={arrays}"]) == 0
    with np.load(arrays) as kept:
        assert kept["image"].shape == (16, 8, 8, 1)
        assert kept["gradient_norm"].shape == kept["layer"].shape == (6,)


def test_what_cannot_be_taken_again_is_said(run, tmp_path):
    for arguments, message in (
        (("0",), "STEP is 0: it must be a whole number"),
        (("9",), "STEP is 9: .* has the steps 1 to 8"),
        (("3", "--seed=1"), "seed is 1: this run has the seeds 0"),
        (("3", "--output=step.txt"), r"--output is step.txt: write a page, FILE.html, or the arrays, FILE.npz"),
    ):
        with pytest.raises(UserError, match=message):
            command.main([str(run), *arguments])
    with pytest.raises(UserError, match="holds no run"):
        jaxcnn.replay(tmp_path, 1)
    forced = shutil.copytree(run, tmp_path / "forced")
    card = json.loads((forced / "run.json").read_text())
    change = {"step": 5, "changes": ["resumed by force with seed (0 -> 1)"]}
    (forced / "run.json").write_text(json.dumps(card | {"forced": [change]}))
    with pytest.raises(UserError, match=r"at step 5 --force changed the config \(resumed by force with seed"):
        jaxcnn.replay(forced, 2)
    assert jaxcnn.replay(forced, 6).checkpoint == 5

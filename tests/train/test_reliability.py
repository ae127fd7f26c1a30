"""What real machines do to a run: it is asked to stop, killed, its files rot, its numbers overflow."""

import os
import shutil
import signal

import jax
import numpy as np
import pytest

from jaxcnn.errors import UserError
from jaxcnn.json_file import read_json
from jaxcnn.train import training
from jaxcnn.train.files.checkpoint import Checkpoints
from jaxcnn.train.files.folder import read_lines
from jaxcnn.train.files.lock import Lock
from jaxcnn.train.hooks.preemption import Preempted, Preemption
from jaxcnn.train.loop import train_and_evaluate
from jaxcnn.train.state import steps_taken
from tests.train.test_loop import config, last_state


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run from start to end without a fault."""
    workdir = tmp_path_factory.mktemp("runs") / "whole"
    return workdir, train_and_evaluate(config(), workdir).test


def at_step(monkeypatch, step, action):
    """Does `action` when the run is about to take the step after `step`."""
    make = training.make_dispatch

    def wrapped_make(*arguments, **options):
        dispatch = make(*arguments, **options)

        def wrapped(state, *rest, **options):
            if steps_taken(state) == step:
                action()
            return dispatch(state, *rest, **options)

        return wrapped

    monkeypatch.setattr(training, "make_dispatch", wrapped_make)


def assert_same_end(workdir, finished):
    one, other = last_state(config(), workdir), last_state(config(), finished[0])
    jax.tree.map(np.testing.assert_array_equal, one, other)
    steps = [line["step"] for line in read_lines(workdir / "metrics.jsonl") if "val/loss" in line]
    assert steps == [3, 6]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("step", [2, 4])
def test_a_signal_saves_at_the_next_boundary_and_the_run_goes_on_to_the_same_bits(
    finished, tmp_path, monkeypatch, number, step
):
    at_step(monkeypatch, step, lambda: os.kill(os.getpid(), number))
    with pytest.raises(Preempted, match=f"preempted at step {step + 1}: the same command goes on"):
        train_and_evaluate(config(), tmp_path)
    monkeypatch.undo()
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        assert checkpoints.steps()[-1] == step + 1
    assert train_and_evaluate(config(), tmp_path).test == finished[1]
    assert_same_end(tmp_path, finished)


def test_signals_act_as_before_once_the_run_is_over():
    before, preemption = signal.getsignal(signal.SIGTERM), Preemption()
    preemption.start(None)
    os.kill(os.getpid(), signal.SIGINT)
    assert preemption.asked
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
    preemption.close()
    assert signal.getsignal(signal.SIGTERM) is before


def flip(path):
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(byte ^ 0xFF for byte in content[middle : middle + 64])
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def foreign(path):
    path.write_text("something else")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # orbax's own unawaited reads
@pytest.mark.parametrize(
    ("harm", "pattern"),
    [
        (flip, "state/d/*"),
        (cut, "state/d/*"),
        (foreign, "checksums/*"),
        (foreign, "state/_METADATA"),
        (os.unlink, "state/_METADATA"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(finished, tmp_path, capsys, harm, pattern):
    shutil.copytree(finished[0], tmp_path, dirs_exist_ok=True)
    harm(max((tmp_path / "checkpoints" / "6").glob(pattern), key=lambda path: path.stat().st_size))
    train_and_evaluate(config(), tmp_path)
    output = capsys.readouterr().out
    assert f"warning: the checkpoint {tmp_path}/checkpoints/6 " in output
    assert "it is now called damaged-6-1, and the run goes on from step 4" in output
    assert_same_end(tmp_path, finished)


@pytest.mark.parametrize("text", ["{", "{}", '{"val/accuracy": "x"}'])
def test_a_checkpoint_whose_metrics_are_damaged_is_gone_on_from(finished, tmp_path, text):
    workdir = tmp_path / "run"
    shutil.copytree(finished[0], workdir)
    last = max(int(path.name) for path in (workdir / "checkpoints").iterdir() if path.name.isdigit())
    (workdir / "checkpoints" / str(last) / "metrics" / "metrics").write_text(text)
    train_and_evaluate(config(total_steps=last + 3), workdir)
    with Checkpoints(workdir / "checkpoints") as checkpoints:
        assert checkpoints.steps()[-1] == last + 3


def test_without_a_good_checkpoint_nothing_is_begun_anew(finished, tmp_path):
    shutil.copytree(finished[0], tmp_path, dirs_exist_ok=True)
    for folder in (tmp_path / "checkpoints").iterdir():
        cut(folder / "state" / "_METADATA")
    with pytest.raises(UserError, match=r"checkpoints/6 cannot be restored.*none is left to go on from") as caught:
        train_and_evaluate(config(), tmp_path)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "checkpoints" / "6").exists()


def test_two_runs_in_one_folder_are_refused(tmp_path):
    with (
        Lock(tmp_path),
        pytest.raises(UserError, match=f"is in use by process {os.getpid()} on .*: wait for it, or use another"),
    ):
        train_and_evaluate(config(), tmp_path)
    with Lock(tmp_path):
        pass


def overflowing(learning_rate, **changes):
    plain = {
        "model.norm": "none",
        "model.act": "relu",
        "schedule.name": "constant",
        "ema.decay": None,
        "optimizer.weight_decay": 0.0,
    }
    return config(**plain, **{"optimizer.learning_rate": learning_rate}, **changes)


@pytest.mark.parametrize(("learning_rate", "what"), [(1e15, r"the output of \w+"), (1e30, "the update")])
def test_a_step_that_is_not_finite_stops_with_its_number_and_its_layer(tmp_path, learning_rate, what):
    with pytest.raises(UserError, match=rf"step \d is not finite, first {what}; .*checkpoint") as caught:
        train_and_evaluate(overflowing(learning_rate), tmp_path)
    assert "\n" not in str(caught.value)
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        assert all(step < int(str(caught.value).split()[1]) for step in checkpoints.steps())
    failed = read_json(tmp_path / "run.json")["failed"]
    assert failed["reason"] == str(caught.value)
    assert failed["step"] < 6


def test_steps_that_are_not_finite_can_be_left_out(tmp_path, capsys):
    settings = overflowing(1e30, on_nonfinite="skip")
    train_and_evaluate(settings, tmp_path)
    assert "were not finite and are left out" in capsys.readouterr().out
    state = last_state(settings, tmp_path)
    assert int(state.step) == 6
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.params))
    assert sum(line.get("train/nonfinite", 0) for line in read_lines(tmp_path / "metrics.jsonl")) == 6

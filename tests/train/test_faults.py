"""What disks do to a run: they fill up, refuse, vanish. And what a user does: signals, and another config by force."""

import contextlib
import errno
import json
import os
import shutil
import signal
import subprocess

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from jaxcnn.entry import answer
from jaxcnn.errors import Fault, UserError
from jaxcnn.train import loop, training
from jaxcnn.train.files.checkpoint import Checkpoints
from jaxcnn.train.files.folder import read_lines
from jaxcnn.train.files.lock import Lock
from jaxcnn.train.hooks import writers
from jaxcnn.train.hooks.preemption import Preempted
from jaxcnn.train.hooks.saving import Saving
from jaxcnn.train.loop import train_and_evaluate
from tests.train.test_loop import config, last_state
from tests.train.test_reliability import at_step


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run from start to end without a fault."""
    workdir = tmp_path_factory.mktemp("runs") / "whole"
    return workdir, train_and_evaluate(config(), workdir).test


def saved(workdir):
    with Checkpoints(workdir / "checkpoints", read_only=True) as checkpoints:
        return checkpoints.steps()


def assert_goes_on_to_the_same_bits(workdir, finished):
    assert train_and_evaluate(config(), workdir).test == finished[1]
    jax.tree.map(np.testing.assert_array_equal, last_state(config(), workdir), last_state(config(), finished[0]))
    steps = [line["step"] for line in read_lines(workdir / "metrics.jsonl")]
    assert steps == [line["step"] for line in read_lines(finished[0] / "metrics.jsonl")]


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 4 MB of its own."""
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(tmp_path)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def fill(path):
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(65536)):
            pass


def test_on_a_full_disk_the_run_trains_on_says_so_and_goes_on_later(finished, small_disk, monkeypatch, capfd):
    workdir = small_disk / "run"
    at_step(monkeypatch, 2, lambda: fill(small_disk / "filler"))
    assert answer(lambda: int(not train_and_evaluate(config(tensorboard=True), workdir).test)) == 1
    output, error = capfd.readouterr()
    assert error.startswith("jaxcnn: the run is at its end, step 6, but the checkpoint ")
    assert error.count("\n") == 1
    assert "cannot be written: No space left on device" in error
    assert "test accuracy" in output, "training and evaluation go on"
    assert "Traceback" not in output + error
    assert not list((workdir / "checkpoints").glob("*tmp*"))
    assert all(step < 6 for step in saved(workdir))
    (small_disk / "filler").unlink()
    monkeypatch.undo()
    assert_goes_on_to_the_same_bits(workdir, finished)


def test_a_read_only_disk_is_one_line(finished, small_disk, capfd):
    workdir = small_disk / "run"
    shutil.copytree(finished[0], workdir)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(UserError, match=r"run cannot be written: Read-only file system$"):
        train_and_evaluate(config(), workdir)
    with pytest.raises(UserError, match=r"new cannot be used: Read-only file system"):
        train_and_evaluate(config(), small_disk / "new")


def refuse(*_, **__):
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def test_a_write_that_orbax_refuses_is_a_warning_and_the_next_one_is_tried(finished, tmp_path, monkeypatch, capsys):
    save, refused = ocp.CheckpointManager.save, []

    def refuse_once(self, step, *arguments, **options):
        if step == 3:
            refused.append(step)
            refuse()
        return save(self, step, *arguments, **options)

    monkeypatch.setattr(ocp.CheckpointManager, "save", refuse_once)
    assert train_and_evaluate(config(), tmp_path).test == finished[1]
    assert refused == [3]
    line = f"warning: the checkpoint {tmp_path}/checkpoints/3 cannot be written: Read-only file system; the training"
    assert line in capsys.readouterr().out
    assert saved(tmp_path)[-2:] == [4, 6]


def test_a_signal_whose_state_cannot_be_saved_says_from_where_it_goes_on(tmp_path, monkeypatch):
    save = ocp.CheckpointManager.save
    at_step(monkeypatch, 4, lambda: os.kill(os.getpid(), signal.SIGTERM))
    monkeypatch.setattr(
        ocp.CheckpointManager, "save", lambda self, step, *a, **o: refuse() if step > 4 else save(self, step, *a, **o)
    )
    with pytest.raises(
        Fault, match=r"^stopped at step 5, but .*/5 cannot be written: Read-only .*; step 4 is the last"
    ):
        train_and_evaluate(config(), tmp_path)


def test_a_folder_that_vanishes_ends_in_one_line(tmp_path, monkeypatch, capsys):
    workdir = tmp_path / "run"

    save = Checkpoints.save
    monkeypatch.setattr(Checkpoints, "save", lambda self, *arguments: [save(self, *arguments), self.settle()])
    at_step(monkeypatch, 5, lambda: shutil.rmtree(workdir))
    with pytest.raises(
        Fault, match=r"step 6, but .* cannot be written: the folder is gone; nothing is saved"
    ) as caught:
        train_and_evaluate(config(), workdir)
    assert "\n" not in str(caught.value)
    assert "the last 3 lines of" in capsys.readouterr().out
    assert not workdir.exists()


def test_metrics_that_cannot_be_written_are_kept_for_later(finished, tmp_path, monkeypatch, capsys):
    append = writers.append_text
    attempts = []

    def refuse_some(path, text):
        attempts.append(text)
        return refuse() if len(attempts) in (2, 3) else append(path, text)

    monkeypatch.setattr(writers, "append_text", refuse_some)
    assert train_and_evaluate(config(), tmp_path).test == finished[1]
    steps = [line["step"] for line in read_lines(tmp_path / "metrics.jsonl")]
    assert steps == [line["step"] for line in read_lines(finished[0] / "metrics.jsonl")]
    assert capsys.readouterr().out.count("cannot be written, its lines are kept for later: Read-only file system") == 1


def test_tensorboard_that_cannot_be_written_is_left_out(finished, tmp_path, capsys):
    (tmp_path / "tensorboard").write_text("a file")
    assert train_and_evaluate(config(tensorboard=True), tmp_path).test == finished[1]
    assert capsys.readouterr().out.count("warning: there are no TensorBoard events from here on: ") == 1


def test_tensorboard_that_fails_later_is_left_out(finished, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(writers._Events, "write", refuse)
    assert train_and_evaluate(config(tensorboard=True), tmp_path).test == finished[1]
    assert capsys.readouterr().out.count("warning: there are no TensorBoard events from here on: Read-only") == 1


def test_a_signal_in_an_evaluation_stops_after_it(finished, tmp_path, monkeypatch):
    evaluate = training.Training.evaluate

    def interrupted(self, split, *marks):
        os.kill(os.getpid(), signal.SIGTERM)
        return evaluate(self, split, *marks)

    monkeypatch.setattr(training.Training, "evaluate", interrupted)
    with pytest.raises(Preempted, match="preempted at step 3"):
        train_and_evaluate(config(), tmp_path)
    assert saved(tmp_path) == [2, 3]
    monkeypatch.undo()
    assert_goes_on_to_the_same_bits(tmp_path, finished)


def test_a_signal_while_a_checkpoint_is_written_loses_nothing(finished, tmp_path, monkeypatch):
    save = Checkpoints.save

    def interrupted(self, step, *arguments):
        result = save(self, step, *arguments)
        if step == 4:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)
        return result

    monkeypatch.setattr(Checkpoints, "save", interrupted)
    with pytest.raises(Preempted, match="preempted at step 4"):
        train_and_evaluate(config(), tmp_path)
    assert saved(tmp_path)[-1] == 4
    monkeypatch.undo()
    assert_goes_on_to_the_same_bits(tmp_path, finished)


def test_a_second_interrupt_leaves_at_once_with_whole_checkpoints(finished, tmp_path, monkeypatch):
    at_step(monkeypatch, 4, lambda: [os.kill(os.getpid(), signal.SIGINT) for _ in range(2)])
    with pytest.raises(KeyboardInterrupt):
        train_and_evaluate(config(), tmp_path)
    assert saved(tmp_path)[-1] == 4
    monkeypatch.undo()
    assert_goes_on_to_the_same_bits(tmp_path, finished)


def test_a_signal_after_the_last_step_lets_the_run_end(finished, tmp_path, monkeypatch):
    secure = Saving.secure

    def interrupted(self, step):
        os.kill(os.getpid(), signal.SIGTERM)
        return secure(self, step)

    monkeypatch.setattr(Saving, "secure", interrupted)
    assert train_and_evaluate(config(), tmp_path).test == finished[1]


def test_looking_at_a_run_leaves_alone_what_it_is_writing(finished, tmp_path):
    shutil.copytree(finished[0], tmp_path, dirs_exist_ok=True)
    unfinished = tmp_path / "checkpoints" / "7.orbax-checkpoint-tmp"
    unfinished.mkdir()
    assert saved(tmp_path)[-1] == 6
    assert unfinished.exists()


def test_by_force_a_run_goes_on_with_another_config_and_says_so(finished, tmp_path, capsys):
    shutil.copytree(finished[0], tmp_path, dirs_exist_ok=True)
    other = config(total_steps=8, **{"optimizer.learning_rate": 0.01})
    with pytest.raises(UserError, match=r"another config: optimizer.learning_rate \(0.1 -> 0.01\); .* or --force$"):
        train_and_evaluate(other, tmp_path)
    train_and_evaluate(other, tmp_path, force=True)
    assert "resumed by force with optimizer.learning_rate (0.1 -> 0.01)" in capsys.readouterr().out
    assert json.loads((tmp_path / "config.json").read_text())["optimizer"]["learning_rate"] == 0.01
    assert json.loads((tmp_path / "run.json").read_text())["forced"] == [
        {"step": 6, "changes": ["resumed by force with optimizer.learning_rate (0.1 -> 0.01)"]}
    ]
    train_and_evaluate(config(total_steps=8), tmp_path)  # back to what it was needs no force
    line = "resumed as once before with optimizer.learning_rate (0.01 -> 0.1)"
    assert line in capsys.readouterr().out
    assert json.loads((tmp_path / "run.json").read_text())["forced"][1:] == [{"step": 8, "changes": [line]}]


def test_another_config_is_refused_before_the_data_are_looked_at(finished, tmp_path, monkeypatch):
    shutil.copytree(finished[0], tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(loop, "build_run", None)
    with pytest.raises(
        UserError, match=r"another config: data.name \(digits -> folder\), seed \(0 -> 1\); use another"
    ):
        train_and_evaluate(config(seed=1, **{"data.name": "folder", "data.dir": "/nowhere"}), tmp_path)
    with pytest.raises(UserError, match="unknown model 'lenet6': did you mean lenet5"):  # a wrong word comes first
        train_and_evaluate(config(**{"model.name": "lenet6"}), tmp_path)


@pytest.mark.parametrize("name", ["metrics.jsonl", "run.json", "config.json"])
def test_a_file_that_somebody_has_taken_away_is_said(finished, tmp_path, capsys, name):
    shutil.copytree(finished[0], tmp_path, dirs_exist_ok=True)
    (tmp_path / name).unlink()
    assert train_and_evaluate(config(), tmp_path).test == finished[1]
    assert f"warning: {name} is gone: " in capsys.readouterr().out
    assert (tmp_path / name).exists()


def test_without_its_config_a_state_of_other_arrays_is_refused(finished, tmp_path):
    shutil.copytree(finished[0], tmp_path, dirs_exist_ok=True)
    (tmp_path / "config.json").unlink()
    with pytest.raises(UserError, match="the config does not fit the state that is saved"):
        train_and_evaluate(config(**{"model.norm": "none"}), tmp_path)


@pytest.mark.parametrize("change", [{"model.norm": "none"}, {"ema.decay": None}, {"optimizer.name": "adam"}])
def test_force_refuses_a_state_of_other_arrays_and_changes_nothing(finished, tmp_path, change):
    shutil.copytree(finished[0], tmp_path, dirs_exist_ok=True)
    before = (tmp_path / "config.json").read_text()
    with pytest.raises(
        UserError, match=r"the config does not fit the state that is saved: \S+ was .* and is "
    ) as caught:
        train_and_evaluate(config(**change), tmp_path, force=True)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "config.json").read_text() == before
    assert saved(tmp_path)[-1] == 6


def test_a_lock_on_a_full_disk_still_holds(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "write", refuse)
    with Lock(tmp_path), pytest.raises(UserError, match="is in use by"), Lock(tmp_path):
        pass


def test_damaged_metrics_are_one_line(finished, tmp_path):
    shutil.copytree(finished[0], tmp_path, dirs_exist_ok=True)
    content = (tmp_path / "metrics.jsonl").read_bytes()
    (tmp_path / "metrics.jsonl").write_bytes(b"\xff\xfe" + content)
    with pytest.raises(UserError, match=r"metrics.jsonl:1 is no line of metrics"):
        train_and_evaluate(config(), tmp_path)

import json
import math
import os
import struct
import subprocess
import sys
import types

import pytest
from tensorboardX.proto import event_pb2

from jaxcnn.config import base_config
from jaxcnn.errors import UserError
from jaxcnn.train import resume
from jaxcnn.train.files.folder import RunFolder, read_card, read_lines
from jaxcnn.train.hooks.writers import MetricsFile, TensorBoard


def config(**changes):
    base = base_config()
    base.update_from_flattened_dict(changes)
    return base.to_dict()


def test_a_new_folder_takes_any_config(tmp_path):
    folder = RunFolder(tmp_path / "deep" / "run")
    assert folder.kept.adopt(config(), resumed=True) == []
    assert json.loads(folder.config.read_text())["model"]["name"] == "lenet5"


def test_what_a_resumed_run_may_change_is_said(tmp_path):
    RunFolder(tmp_path).kept.adopt(config(), resumed=True)
    lines = RunFolder(tmp_path).kept.adopt(config(total_epochs=99.0, eval_every="2 epochs"), resumed=True)
    assert lines == ["resumed with eval_every (1 epoch -> 2 epochs)", "resumed with total_epochs (10.0 -> 99.0)"]
    assert RunFolder(tmp_path).kept.adopt(config(total_epochs=99.0, eval_every="2 epochs"), resumed=True) == []


def test_any_other_difference_is_refused_with_its_keys_and_changes_nothing(tmp_path):
    folder = RunFolder(tmp_path)
    folder.kept.adopt(config(), resumed=True)
    before = folder.config.read_text()
    with pytest.raises(UserError, match=r"model.norm \(None -> batch\), seed \(0 -> 1\)"):
        RunFolder(tmp_path).kept.adopt(config(**{"model.norm": "batch", "seed": 1, "total_epochs": 99.0}), resumed=True)
    assert folder.config.read_text() == before


def test_a_run_may_go_back_to_any_value_that_its_folder_had(tmp_path):
    def adopt(force=False, **changes):
        return RunFolder(tmp_path).kept.adopt(config(**changes), resumed=True, force=force)

    adopt()
    for seed in (1, 2):
        assert adopt(force=True, seed=seed) == [f"resumed by force with seed ({seed - 1} -> {seed})"]
    for seed, before in ((0, 2), (2, 0), (1, 2)):
        assert adopt(seed=seed) == [f"resumed as once before with seed ({before} -> {seed})"]
    with pytest.raises(UserError, match=r"another config: seed \(1 -> 3\); use"):
        adopt(seed=3)
    assert json.loads((tmp_path / "config_history.json").read_text()) == {"seed": [0, 1, 2]}
    with pytest.raises(UserError, match=r"another config: model.norm \(None -> batch\); use"):
        adopt(seed=0, **{"model.norm": "batch"})


def test_values_of_a_run_that_is_begun_anew_are_forgotten(tmp_path):
    folder = RunFolder(tmp_path)
    folder.kept.adopt(config(), resumed=True)
    folder.kept.adopt(config(seed=1), resumed=True, force=True)
    folder.kept.adopt(config(seed=1), resumed=False)
    with pytest.raises(UserError, match=r"another config: seed \(1 -> 0\); use"):
        folder.kept.adopt(config(), resumed=True)


def test_a_folder_that_is_only_looked_at_is_not_made(tmp_path):
    RunFolder(tmp_path / "run", make=False).check(config())
    assert not (tmp_path / "run").exists()


def test_a_run_that_begins_anew_over_an_earlier_start_says_so(tmp_path):
    folder = RunFolder(tmp_path)
    folder.metrics.write_text('{"step": 1}\n{"step": 2}\n')
    (line,) = folder.gone(resumed=False)
    assert line == (
        f"warning: there is no checkpoint in {tmp_path}: the run begins anew, "
        "and 2 lines of an earlier start leave metrics.jsonl"
    )


def test_a_work_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be used"):
        RunFolder(tmp_path / "file" / "run")


def test_a_name_that_checkpoints_cannot_have_is_refused(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"no UTF-8 here: give the folder another name$"):
        RunFolder(tmp_path / "l\udcffufe")
    monkeypatch.setattr(os, "fsencode", lambda path: str(path).encode("latin-1"))
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "latin-1")
    with pytest.raises(UserError, match="or set PYTHONUTF8=1"):
        RunFolder(tmp_path / "läufe")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", ["{}", '{"data": {}, "seeds": [0]}'])
def test_a_card_that_is_none_is_one_line(tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(UserError, match=r"run.json is not as a run writes it: .*image_shape, parameters, .*missing$"):
        read_card(tmp_path / "run.json")


def test_what_is_no_file_is_written_to_and_not_replaced():
    program = (
        "from pathlib import Path; from jaxcnn.json_file import write_json; write_json(Path('/dev/stdout'), {'a': 1})"
    )
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, timeout=30, check=True)
    assert json.loads(done.stdout) == {"a": 1}


def write(folder, start, rows):
    """Writes rows of metrics, and events, as a training from step `start` does."""
    training = types.SimpleNamespace(step=start, history=resume._history(folder, start), say=print)
    hooks = [MetricsFile(folder.metrics), TensorBoard(folder.tensorboard)]
    for hook in hooks:
        hook.start(training)
    for step, values in rows:
        training.history.append({"step": step, **values})
        for hook in hooks:
            hook.log(step, values)
    for hook in hooks:
        hook.close()


def test_resuming_drops_lines_of_later_steps_and_a_line_cut_short(tmp_path):
    folder = RunFolder(tmp_path)
    write(folder, 0, [(step, {"train/loss": 1 / step}) for step in (10, 20, 30)])
    with folder.metrics.open("a") as file:
        file.write('{"step": 40, "train/l')
    write(folder, 20, [(30, {"train/loss": 0.5})])
    assert [line["step"] for line in read_lines(folder.metrics)] == [10, 20, 30]
    assert read_lines(folder.metrics)[-1]["train/loss"] == 0.5
    assert list(folder.tensorboard.glob("events.*"))


def test_a_folder_in_which_nothing_was_trained_takes_another_config(tmp_path):
    RunFolder(tmp_path).kept.adopt(config(), resumed=False)
    assert RunFolder(tmp_path).kept.adopt(config(seed=1), resumed=False) == []
    assert json.loads((tmp_path / "config.json").read_text())["seed"] == 1


def test_a_key_that_is_newer_than_the_folder_had_its_default(tmp_path):
    folder = RunFolder(tmp_path)
    folder.kept.adopt(config(), resumed=False)
    old = json.loads(folder.config.read_text())
    del old["loss"]["aux_weight"]
    folder.config.write_text(json.dumps(old))
    assert RunFolder(tmp_path).kept.adopt(config(), resumed=True) == []
    with pytest.raises(UserError, match=r"loss.aux_weight"):
        RunFolder(tmp_path).kept.adopt(config(**{"loss.aux_weight": 1.0}), resumed=True)


@pytest.mark.parametrize("content", ["[1]", "null", "{"])
def test_a_config_file_without_an_object_is_one_line(tmp_path, content):
    folder = RunFolder(tmp_path)
    folder.config.write_text(content)
    with pytest.raises(UserError, match=r"config\.json cannot be read") as caught:
        folder.kept.adopt(config(), resumed=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["my notes\n", '{"train/loss": 1}\n{"step": 2}\n', '{"step": 1}\n[\n{"step": 2}\n'])
def test_a_metrics_file_that_is_none_is_refused_and_kept(tmp_path, content):
    folder = RunFolder(tmp_path)
    folder.metrics.write_text(content)
    with pytest.raises(UserError, match=r"metrics\.jsonl:[12] is no line of metrics"):
        resume._history(folder, 0)
    assert folder.metrics.read_text() == content


def test_checkpoints_that_are_no_folder_are_one_line(tmp_path):
    (tmp_path / "checkpoints").write_text("")
    with pytest.raises(UserError, match="cannot be used"):
        RunFolder(tmp_path)


def test_what_is_not_finite_is_null(tmp_path):
    folder = RunFolder(tmp_path)
    write(folder, 0, [(5, {"test/accuracy": 0.5, "test/loss": float("nan")})])
    assert "NaN" not in folder.metrics.read_text()
    assert read_lines(folder.metrics) == [{"step": 5, "test/accuracy": 0.5, "test/loss": None}]
    assert math.isnan(resume._test_of(resume._history(folder, 5), 5)["test/loss"])


def test_events_of_the_step_that_a_run_goes_on_from_stay(tmp_path):
    folder = RunFolder(tmp_path)
    write(folder, 20, [])
    (file,) = folder.tensorboard.glob("events.*")
    content, events = file.read_bytes(), []
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        events.append(event_pb2.Event.FromString(content[12 : 12 + length]))  # between two checksums of 4 bytes
        content = content[16 + length :]
    assert [event.step for event in events if event.HasField("session_log")] == [21]

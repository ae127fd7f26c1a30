"""Sweeps whose runs are trained in processes of their own, as users have them."""

import json
import signal
import subprocess
import sys
import time

import pytest

from jaxcnn.json_file import write_json
from tests.train.small_runs import config

PATIENCE = 240
TRIALS = 4


def line(tmp_path, *more):
    base, space = tmp_path / "small.json", tmp_path / "space.toml"
    if not base.exists():
        write_json(base, config().to_dict())
        space.write_text('"optimizer.learning_rate" = {low = 1e-4, high = 1e-1, log = true}\n')
    command = [sys.executable, "-m", "jaxcnn", "sweep", str(base), "--space", str(space)]
    return [*command, "--output", str(tmp_path / "sweep"), "--trials", str(TRIALS), "--top", "1", "--seeds", "1", *more]


def values(tmp_path):
    kept = sorted((tmp_path / "sweep").glob("trial[0-9]*.json"))
    return {path.name: json.loads(path.read_text())["texts"] for path in kept}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="a killed sweep takes its run with it where the kernel helps")
def test_a_killed_sweep_goes_on_and_two_workers_share_it(tmp_path):
    with subprocess.Popen(line(tmp_path), stdout=subprocess.DEVNULL) as process:
        until = time.monotonic() + PATIENCE
        while len(values(tmp_path)) < 2 and time.monotonic() < until:
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
    before = values(tmp_path)
    assert len(before) == 2
    workers = [subprocess.Popen(line(tmp_path), stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [worker.communicate(timeout=PATIENCE)[0] for worker in workers]
    assert 0 in [worker.returncode for worker in workers]
    found = values(tmp_path)
    assert len(found) == TRIALS
    assert before.items() <= found.items()
    trained = [f"{number} of {TRIALS}  " for number in range(1, TRIALS + 1)]
    told = [sum(start in text for text in said) for start in trained]
    assert all(count <= 1 for count in told)  # no trial is trained by both
    assert sum(told) >= TRIALS - 1  # the first may have ended before the kill
    assert (tmp_path / "sweep" / "best.py").is_file()


@pytest.mark.slow
def test_a_run_that_is_ended_early_has_saved_its_state(tmp_path):
    changes = ("--config.total_steps=400", "--config.eval_every=20 steps", "--config.checkpoint_every=400 steps")
    options = ("--pruner", "hyperband", "--sampler", "random", "--trials", "8")
    subprocess.run(line(tmp_path, *changes, *options), check=True, stdout=subprocess.DEVNULL, timeout=PATIENCE)
    kept = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "sweep").glob("trial[0-9]*.json")}
    ended = [name for name, each in kept.items() if each["pruned"]]
    assert ended
    for name in ended:
        place = tmp_path / "sweep" / name / "seed0"
        assert any((place / "checkpoints").iterdir())
        assert json.loads((place / "metrics.jsonl").read_text().splitlines()[-1])["step"] < 400

"""A real process, killed at random moments without a warning, ends with the bits of one that was left alone."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxcnn.train.devices.mesh import make_mesh, replicated
from jaxcnn.train.files.checkpoint import Checkpoints
from jaxcnn.train.files.folder import read_lines
from jaxcnn.train.setup import make_run
from tests.train.test_loop import config

ROOT = Path(__file__).parents[2]
KILLS = 20
STEPS = 400
PROGRAM = f"""
from tests.train.test_loop import config
from jaxcnn.train.loop import train_and_evaluate
import sys
train_and_evaluate(config(total_steps={STEPS}, checkpoint_every="3 steps", eval_every="50 steps"), sys.argv[1])
"""


def start(workdir, cache, program=PROGRAM, **variables):
    """Starts a process that trains in a run folder; `variables` are further ones of its environment."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT), "XLA_FLAGS": "",
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    } | variables  # fmt: skip
    return subprocess.Popen([sys.executable, "-c", program, str(workdir)], env=environment, stdout=subprocess.DEVNULL)


def wait_for_a_step(process, workdir, beyond):
    """Waits until a checkpoint after step `beyond` is being written or there, or the process ends."""
    while process.poll() is None:
        names = [path.name.split(".")[0] for path in (workdir / "checkpoints").glob("[0-9]*")]
        if any(int(name) > beyond for name in names):
            return
        time.sleep(0.01)


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_with_the_same_bits(tmp_path):
    whole, killed, cache = tmp_path / "whole", tmp_path / "killed", tmp_path / "cache"
    assert start(whole, cache).wait(timeout=600) == 0
    moments, reached, kills = random.Random(0), 0, 0
    while kills < KILLS:
        process = start(killed, cache)
        wait_for_a_step(process, killed, reached)
        time.sleep(moments.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it ended before it was killed: raise STEPS"
        kills += 1
        done = [int(path.name) for path in (killed / "checkpoints").glob("[0-9]*") if path.name.isdigit()]
        reached = max(done, default=0)
    assert start(killed, cache).wait(timeout=600) == 0
    run = make_run(config(total_steps=STEPS))
    states = []
    for folder in (whole, killed):
        with Checkpoints(folder / "checkpoints") as checkpoints:
            states.append(checkpoints.restore(run.abstract_state(), replicated(make_mesh(jax.devices()[:1]))))
    jax.tree.map(np.testing.assert_array_equal, *states)
    evaluated = [
        [line | {"time": None} for line in read_lines(folder / "metrics.jsonl") if "val/loss" in line]
        for folder in (whole, killed)
    ]
    assert evaluated[0] == evaluated[1]

"""Real processes: killed in training, and several that share nothing but a bucket."""

import json
import signal
import time

import pytest

from jaxcnn.buckets import Bucket
from tests.buckets.test_runs import lines_of, spoil, steps
from tests.train.team import Team
from tests.train.test_killed import start

pytestmark = [pytest.mark.buckets, pytest.mark.slow]
STEPS = 60
PROGRAM = f"""
import sys, time
from tests.train.test_loop import config
from jaxcnn.train.files import lease, mirror
from jaxcnn.train.loop import train_and_evaluate
from jaxcnn.train.training import Training
mirror.INTERVAL, lease.BEAT, lease.PATIENCE = 0.1, 0.5, 2.0
log = Training.log
def slowly(self, values):  # so that there is time for killing it
    time.sleep(0.2)
    log(self, values)
Training.log = slowly
train_and_evaluate(config(total_steps={STEPS}, checkpoint_every="6 steps", eval_every="20 steps"), sys.argv[1])
"""


def wait_for_a_checkpoint(process, bucket, beyond):
    """Waits until the bucket has one after a step; returns the last of them."""
    until = time.monotonic() + 300
    while (last := max(map(int, steps(bucket.find("checkpoints"))), default=0)) <= beyond:
        assert time.monotonic() < until, "no checkpoint comes"
        assert process.poll() is None, "it ended before it was killed: raise STEPS"
        time.sleep(0.05)
    return last


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The folder of a run on the disk that nobody has killed, and that of what it compiled."""
    here, cache = tmp_path_factory.mktemp("disk") / "run", tmp_path_factory.mktemp("cache")
    assert start(here, cache, PROGRAM).wait(timeout=600) == 0
    return here, cache


def test_killed_in_training_it_goes_on_here_and_elsewhere_to_the_same_bits(place, undisturbed, tmp_path):
    here, cache = undisturbed
    bucket, reached = Bucket(place), 0
    for machine in ("one", "one", "two"):
        (tmp_path / machine).mkdir(exist_ok=True)
        process = start(place, cache, PROGRAM, TMPDIR=str(tmp_path / machine))
        if machine == "one":
            reached = wait_for_a_checkpoint(process, bucket, reached)
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
            assert bucket.read("lock")
    assert process.wait(timeout=600) == 0
    card = json.loads(bucket.read("run.json"))
    assert len(card["restarts"]) == 2
    assert all(restart["step"] > 0 for restart in card["restarts"])
    found = bucket.find()
    assert "lock" not in found
    assert str(STEPS) in steps(found)
    name = f"checkpoints/{STEPS}/checksums/metadata"
    assert json.loads(bucket.read(name)) == json.loads((here / name).read_bytes())
    evaluated = [
        [line for line in lines_of(text) if "val/loss" in line or "test/loss" in line]
        for text in (bucket.read("metrics.jsonl").decode(), (here / "metrics.jsonl").read_text())
    ]
    assert evaluated[0] == evaluated[1]


def test_two_processes_share_nothing_but_the_bucket_and_go_back_past_a_damaged_checkpoint(place, tmp_path):
    homes = [{"HOME": str(tmp_path / f"home{n}"), "TMPDIR": str(tmp_path / f"tmp{n}")} for n in range(2)]
    for home in homes:
        for folder in home.values():
            (tmp_path / folder).mkdir()
    bucket = Bucket(place)
    for goal in (6, 8):
        with Team(tmp_path / f"two{goal}", 2, f"--workdir={place}", f"--config.total_steps={goal}",
                  environments=homes) as team:  # fmt: skip
            assert team.statuses(300) == [0, 0], team.err(0) + team.err(1)
            assert team.out(1) == []
        if goal == 6:
            assert "6" in steps(bucket.find())
            spoil(bucket, 6)
    said = " ".join(team.out(0))
    assert f"the checkpoint {place}/checkpoints/6 " in said
    assert "it is now called damaged-6-1, and the run goes on from step 4" in said
    assert bucket.find("checkpoints", "damaged-6-1")
    assert {"6", "8"} <= steps(bucket.find())
    lines = [json.loads(line) for line in bucket.read("metrics.jsonl").decode().splitlines()]
    assert [line["step"] for line in lines if "test/accuracy" in line] == [8]
    assert not list((tmp_path / "tmp1").rglob("checkpoints"))

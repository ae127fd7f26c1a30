"""Processes that share nothing but a bucket."""

import json

import pytest

from jaxcnn.buckets import Bucket
from tests.buckets.test_runs import steps
from tests.train.team import Team

pytestmark = pytest.mark.buckets


def test_two_processes_share_nothing_but_the_bucket(place, tmp_path):
    homes = [{"HOME": str(tmp_path / f"home{n}"), "TMPDIR": str(tmp_path / f"tmp{n}")} for n in range(2)]
    for home in homes:
        for folder in home.values():
            (tmp_path / folder).mkdir()
    for goal in (6, 8):  # begun, and gone on with
        with Team(tmp_path / f"two{goal}", 2, f"--workdir={place}", f"--config.total_steps={goal}",
                  environments=homes) as team:  # fmt: skip
            assert team.statuses(150) == [0, 0], team.err(0) + team.err(1)
            assert team.out(1) == []
    bucket = Bucket(place)
    assert {"6", "8"} <= steps(bucket.find())
    lines = [json.loads(line) for line in bucket.read("metrics.jsonl").decode().splitlines()]
    assert [line["step"] for line in lines if "test/accuracy" in line] == [6, 8]
    assert not list((tmp_path / "tmp1").rglob("checkpoints"))

"""A grid of runs in a bucket: stopped, gone on with, and read by a machine that has trained none of it."""

import json

import pytest

import jaxcnn
from jaxcnn import main
from jaxcnn.buckets import Bucket
from jaxcnn.commands import compare as command
from jaxcnn.comparing import session
from jaxcnn.comparing.claims import check
from jaxcnn.comparing.worker import Stopped
from jaxcnn.json_file import write_json
from jaxcnn.train.files import fetch
from tests.buckets.test_runs import ask_to_stop, steps
from tests.train.small_runs import config

pytestmark = pytest.mark.buckets


def test_a_stopped_grid_goes_on_elsewhere_and_finished_runs_are_skipped(place, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(fetch.tempfile, "tempdir", str(tmp_path))
    bucket, cells = Bucket(place), ("lenet5-none", "lenet5-batch")
    write_json(tmp_path / "small.json", config(total_steps=4).to_dict())
    asked = {"base": str(tmp_path / "small.json"), "norms": ["none", "batch"], "seeds": 1}

    with monkeypatch.context() as patch:

        def stopped(job, folder, look=None):
            main.main(job.arguments[1:])
            raise Stopped

        patch.setattr(session, "trained", stopped)
        ask_to_stop(patch, 2)
        with pytest.raises(Stopped):
            jaxcnn.compare(place, **asked)
    assert steps((bucket / "lenet5-none/seed0").find()) == {"2"}

    (tmp_path / "other").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "other"))
    monkeypatch.setattr(fetch.tempfile, "tempdir", str(tmp_path / "other"))
    found = jaxcnn.compare(place, **asked)
    assert found.complete
    assert [row.n for row in found.rows] == [1, 1]
    cards = {cell: json.loads(bucket.read(f"{cell}/seed0/run.json")) for cell in cells}
    assert [[each["step"] for each in card["restarts"]] for card in cards.values()] == [[2], []]
    for cell in cells:
        assert f"results in {place}/{cell}/seed0" in bucket.read(f"{cell}/seed0.log").decode()
    there = {name for name in bucket.find() if not name.startswith(cells)}
    assert there >= {"grid.json", "table.md", "table.csv", "table.tex", "table.json"}
    lines = json.loads(bucket.read("table.json"))["runs"].values()
    assert [line.rpartition(" ")[2] for line in lines] == [f"--workdir={place}/{cell}/seed0" for cell in cells]

    monkeypatch.setattr(session, "trained", None)
    before = bucket.read("table.csv")
    bucket.remove(["table.csv"])
    capsys.readouterr()
    line = ["--config", asked["base"], "--norms", "none,batch", "--seeds", "1", "--output", place]
    assert command.main(line) == 0
    said = capsys.readouterr().out
    assert "2 runs, 2 cells x 1 seed: 2 finished" in said
    assert f"this table, and {place}/compare.html, are in {place}" in said
    assert bucket.read("table.csv") == before
    (tmp_path / "claims.toml").write_text(f'[[claim]]\nclaim = "lenet5-none >= 0 %"\nof = "{place}"\n')
    assert [each.holds for each in check(tmp_path / "claims.toml")] == [True]

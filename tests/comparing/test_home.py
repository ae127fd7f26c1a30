"""Grids and sweeps in a bucket, which is in this process's memory: what is copied, written and removed there."""

import csv
import io

import pytest

import jaxcnn
from jaxcnn import buckets
from jaxcnn.buckets import Bucket
from jaxcnn.comparing import costs
from jaxcnn.comparing.grid import load_grid
from jaxcnn.comparing.home import Home
from jaxcnn.comparing.jobs import jobs_of
from jaxcnn.comparing.session import progress_of
from jaxcnn.comparing.worker import Stopped
from jaxcnn.errors import UserError
from jaxcnn.train.files import lease
from jaxcnn.train.files.fetch import copy_of
from tests.comparing.grids import fake, grid_of
from tests.sweeping.sweeps import OPTIONS, Runs, by_rate

PLACE = "gs://box/grid"
GRID = {"base": "digits_lenet5", "norms": ["none", "batch"], "seeds": 1, "override": {"total_steps": 4}}
FIRST, SECOND = "lenet5-none/seed0", "lenet5-batch/seed0"


@pytest.fixture(autouse=True)
def cheap(memory, monkeypatch, tmp_path):
    monkeypatch.setattr(costs, "_traced", lambda run: None)
    monkeypatch.setattr(buckets, "PATIENCE", 0.0)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


class There(Runs):
    """Makes runs without training, in the bucket; `meanwhile` is called after each."""

    def __init__(self, score, meanwhile=lambda: None, **options):
        super().__init__(score, **options)
        self._meanwhile = meanwhile

    def __call__(self, job, folder, look=None):
        state = super().__call__(job, folder, look)
        arrive(job)
        self._meanwhile()
        return state


def arrive(job):
    """Has the bucket hold a run as it is on this machine."""
    for path in job.place.glob("*"):
        Bucket(job.address).write(path.name, path.read_bytes())


def good(changes, seed):
    return 0.9


def test_a_failure_is_kept_in_the_bucket_until_the_run_is_tried_again(memory, monkeypatch):
    There(good, fail={FIRST}).put(monkeypatch)
    [trouble] = jaxcnn.compare(PLACE, **GRID).row("lenet5-none").troubles
    assert (trouble["state"], trouble["reason"]) == ("failed", "the loss is not finite")
    assert f"box/grid/{FIRST}.failed.json" in memory.objects
    runs = There(good).put(monkeypatch)
    assert not jaxcnn.compare(PLACE, **GRID).complete
    assert runs.names == []
    assert jaxcnn.compare(PLACE, **GRID, retry=True).complete
    assert runs.names == [FIRST]
    assert f"box/grid/{FIRST}.failed.json" not in memory.objects


def test_a_run_that_another_machine_has_finished_meanwhile_is_not_trained(monkeypatch, tmp_path, capsys):
    def meanwhile():
        home = Home("output", PLACE)
        home.bring()
        second = jobs_of(load_grid(home.here), home.here, address=PLACE)[1]
        fake(second, 0.8)
        arrive(second)

    runs = There(good, meanwhile).put(monkeypatch)
    found = jaxcnn.compare(PLACE, **GRID)
    assert runs.names == [FIRST]
    assert [row.mean for row in found.rows] == [0.9 - 0.01, 0.8]
    assert f"2 of 2  {SECOND}: finished by another process" in capsys.readouterr().out


def test_a_run_that_this_machine_trains_is_followed_before_the_bucket_has_it():
    home = Home("output", PLACE)
    job = jobs_of(grid_of(home.here), home.here, address=home.address)[0]
    working = copy_of(f"{PLACE}/{FIRST}")
    working.mkdir(parents=True)
    (working / "metrics.jsonl").write_text('{"step": 3, "epoch": 1.5}\n')
    home.follow(job.place)
    assert progress_of(job) == "epoch 1.5"
    (working / "metrics.jsonl").write_text('{"step": 4, "epoch": 2.5}\n')
    home.follow(job.place)
    assert progress_of(job) == "epoch 2.5"
    home.bring()
    assert progress_of(job) == "compiling"  # the bucket has nothing of it


def test_a_stopped_sweep_goes_on_elsewhere_and_names_a_config_in_the_bucket(memory, monkeypatch):
    place, trials = "gs://box/sweep", {"trials": 3, "top": 1, "seeds": 1}
    There(by_rate, stop=1).put(monkeypatch)
    with pytest.raises(Stopped):
        jaxcnn.sweep(place, **OPTIONS, **trials)
    asked = memory.objects["box/sweep/trial001.json"]
    runs = There(by_rate).put(monkeypatch)
    found = jaxcnn.sweep(place, **OPTIONS, **trials)
    assert runs.names == ["trial001/seed0", "trial002/seed0", f"{found.winner.cell}/seed1"]
    assert memory.objects["box/sweep/trial001.json"] == asked
    assert found.named == f"{place}/best.py"
    assert memory.objects["box/sweep/best.py"] == found.config.read_bytes()
    assert {"box/sweep/best/grid.json", "box/sweep/best/table.json"} <= memory.objects.keys()
    rows = csv.DictReader(io.StringIO(memory.objects["box/sweep/trials.csv"].decode()))
    assert [row["run"] for row in rows] == [f"{place}/trial00{number}/seed0" for number in range(3)]
    assert not [name for name in memory.objects if name.endswith("lock")]


def test_a_sweep_in_a_bucket_has_one_worker(monkeypatch, tmp_path):
    monkeypatch.setattr(lease, "BEAT", 0.05)
    There(by_rate).put(monkeypatch)
    with (
        lease.Lease(Bucket("gs://box/sweep"), tmp_path / "mark", print),
        pytest.raises(UserError, match=r"gs://box/sweep is in use by process .*: wait for it, or use another --output"),
    ):
        jaxcnn.sweep("gs://box/sweep", **OPTIONS, trials=1)


def test_what_is_wrong_with_a_bucket_is_one_line_that_names_the_address(memory):
    with pytest.raises(UserError, match=f"^{PLACE} holds no grid: name what to compare"):
        jaxcnn.compare(PLACE)
    memory.trouble["find"] = [OSError("connection reset")]
    with pytest.raises(UserError, match=f"^the folder {PLACE} cannot be used: gs://box cannot be used: connection"):
        jaxcnn.compare(PLACE, **GRID)

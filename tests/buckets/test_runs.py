"""Runs whose folder is in a bucket: the promises of a disk."""

import contextlib
import json
import re
import time

import pytest

from jaxcnn import buckets
from jaxcnn.buckets import Bucket
from jaxcnn.errors import Fault, UserError
from jaxcnn.train.files import fetch, lease, mirror
from jaxcnn.train.files.store import Store
from jaxcnn.train.hooks.preemption import Preemption
from jaxcnn.train.loop import Preempted, train_and_evaluate
from jaxcnn.train.training import Training
from tests.train.small_runs import ARRAYS, config, unclocked

pytestmark = pytest.mark.buckets
LAST = 6


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path):
    """The copy of a run folder is below a folder of the test's own, and looked at often."""
    monkeypatch.setattr(mirror, "INTERVAL", 0.05)
    monkeypatch.setattr(lease, "BEAT", 0.2)
    monkeypatch.setattr(lease, "PATIENCE", 0.6)
    monkeypatch.setattr(fetch.tempfile, "tempdir", str(tmp_path))


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory):
    """The same run in a folder, and its result."""
    here = tmp_path_factory.mktemp("disk") / "run"
    return here, train_and_evaluate(config(), here, data=ARRAYS).test


def lines_of(text):
    """The metrics, without what a clock says."""
    return [unclocked(json.loads(line)) for line in text.splitlines()]


def steps(names):
    return {match[1] for name in names if (match := re.match(r"checkpoints/(\d+)/commit_success.txt", name))}


def spoil(bucket, step):
    """Writes zeros over the arrays of a checkpoint."""
    arrays = [name for name in bucket.find("checkpoints", str(step), "state") if "/d/" in name]
    assert arrays
    for name in arrays:
        bucket.write(name, bytes(len(bucket.read(name))))


def assert_as_on_disk(bucket, here):
    """The bucket holds the run that the disk holds: the same checkpoints by their checksums, the same numbers."""
    found = bucket.find()
    assert steps(found) == {path.name for path in (here / "checkpoints").iterdir()}
    for step in steps(found):
        name = f"checkpoints/{step}/checksums/metadata"
        assert json.loads(bucket.read(name)) == json.loads((here / name).read_bytes())
    assert lines_of(bucket.read("metrics.jsonl").decode()) == lines_of((here / "metrics.jsonl").read_text())
    assert not [name for name in found if "tmp" in name or name == "lock"]


def train(place, **changes):
    return train_and_evaluate(config(**changes), place, data=ARRAYS).test


def when_logged(monkeypatch, step, act):
    """The next run does something more once it has logged a step."""
    log = Training.log

    def logging(self, values):
        log(self, values)
        if self.step == step:
            act()

    monkeypatch.setattr(Training, "log", logging)


def ask_to_stop(monkeypatch, at):
    """The next run is asked to stop at a step."""
    when_logged(monkeypatch, at, lambda: monkeypatch.setattr(Preemption, "asked", True))


def train_until(monkeypatch, at, place):
    """Trains until the run is asked to stop at a step."""
    with monkeypatch.context() as patch:
        ask_to_stop(patch, at)
        with pytest.raises(Preempted):
            train(place)


def test_a_run_in_a_bucket_is_the_run_on_a_disk(place, on_disk, tmp_path, capsys):
    here, result = on_disk
    assert train(place, tensorboard=True) == result
    out = capsys.readouterr().out
    assert place in out
    assert re.search(r"^time .* in training steps$", out, re.MULTILINE)
    bucket = Bucket(place)
    assert_as_on_disk(bucket, here)
    found = bucket.find()
    assert {name for name in found if "/" not in name} == {"config.json", "run.json", "metrics.jsonl"}
    assert any(name.startswith("tensorboard/events") for name in found)
    assert not list(tmp_path.glob("jaxcnn-*/*"))  # the copy is gone
    assert train(place, tensorboard=True) == result
    assert "is finished: step 6 of 6" in capsys.readouterr().out
    with pytest.raises(UserError, match=rf"{place} holds a run of another config: on_nonfinite \(stop -> skip\)"):
        train(place, on_nonfinite="skip")


def test_a_run_that_is_asked_to_stop_goes_on_elsewhere_to_the_same_bits(place, on_disk, tmp_path, monkeypatch):
    here, result = on_disk
    train_until(monkeypatch, 4, place)
    assert "4" in steps(Bucket(place).find())
    monkeypatch.setattr(fetch.tempfile, "tempdir", str(tmp_path / "other"))
    assert train(place) == result
    assert_as_on_disk(Bucket(place), here)


def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_is_gone_on_from(place, on_disk, monkeypatch, capsys):
    here, result = on_disk
    train_until(monkeypatch, 4, place)
    bucket = Bucket(place)
    spoil(bucket, 4)
    assert train(place) == result
    said = capsys.readouterr().out
    assert f"the checkpoint {place}/checkpoints/4 " in said
    assert "it is now called damaged-4-1, and the run goes on from step 3" in said
    assert bucket.find("checkpoints", "damaged-4-1")
    assert steps(bucket.find()) == {path.name for path in (here / "checkpoints").iterdir()}


def test_what_was_not_whole_is_no_checkpoint_and_goes(place, on_disk):
    bucket = Bucket(place)
    bucket.write("checkpoints/5/state/manifest.ocdbt", b"half")
    bucket.write("checkpoints/5/state/commit_success.txt", b"")
    assert train(place) == on_disk[1]
    assert_as_on_disk(bucket, on_disk[0])


@pytest.fixture
def outage(emulator, monkeypatch):
    """Calls for an outage of the bucket, soon noticed; called again, it is over."""
    stack = contextlib.ExitStack()

    def turn():
        if not away:
            stack.enter_context(emulator.away())
        else:
            stack.close()
        away[:] = [] if away else [True]

    away = []
    monkeypatch.setattr(buckets, "ANSWER", 1.5)
    with stack:
        yield turn


def test_a_bucket_that_is_away_for_a_while_gets_everything_later(place, on_disk, outage, monkeypatch, capsys):
    save = Store.save

    def saving(self, step, *arguments):
        if step == LAST:
            said = ""
            while "what is new is kept in" not in said:
                time.sleep(0.1)
                said += capsys.readouterr().out
        if step in (2, LAST):
            outage()
        return save(self, step, *arguments)

    monkeypatch.setattr(Store, "save", saving)
    assert train(place) == on_disk[1]
    assert f"{place} can be written again, and has all that was kept for it" in capsys.readouterr().out
    assert_as_on_disk(Bucket(place), on_disk[0])


def test_what_never_reached_the_bucket_is_kept_and_said(place, on_disk, outage, tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(mirror, "LAST", 0.5)
        when_logged(patch, LAST, outage)
        with pytest.raises(Fault, match=f"at its end, step 6, but {place} lacks what is new: .*is in {tmp_path}"):
            train(place)
    outage()
    assert train(place) == on_disk[1]
    assert f"what could not be carried over to {place} before is now in {tmp_path}" in capsys.readouterr().out
    assert list(tmp_path.glob("jaxcnn-*/*-unsent-*/checkpoints/6/state"))


def test_two_runs_in_one_folder_are_refused(place, on_disk, tmp_path, monkeypatch, capsys):
    bucket = Bucket(place)
    with mirror.Mirror(place, fetch.copy_of(place), print):
        with pytest.raises(UserError, match=f"{place} is in use by process "):  # on this machine
            train(place)
        monkeypatch.setattr(fetch.tempfile, "tempdir", str(tmp_path / "other"))
        with pytest.raises(UserError, match=f"{place} is in use by process "):  # on another
            train(place)
    bucket.write("lock", b"of one that is gone process 7 on nowhere, 3\n")
    assert train(place) == on_disk[1]
    assert "was in use by of" not in capsys.readouterr().out


def test_a_folder_that_another_has_taken_is_no_longer_written(place, monkeypatch):
    monkeypatch.setattr(mirror, "LAST", 0.1)
    said = []
    with mirror.Mirror(place, fetch.copy_of(place), said.append) as mine:
        Bucket(place).write("lock", b"other process 7 on elsewhere, 0\n")
        while not mine._lease.lost:
            pass
        (fetch.copy_of(place) / "metrics.jsonl").write_text("{}\n")
    assert list(Bucket(place).find()) == ["lock"]
    assert f"{place} has been taken over by process 7 on elsewhere, and is no longer written" in said[-1]

"""Runs and their data in buckets, as far as it needs no emulator: the buckets are in this process's memory."""

import json
import sys

import pytest

from jaxcnn import buckets
from jaxcnn.data.read.places import Objects
from jaxcnn.errors import Fault, UserError
from jaxcnn.train.files import mirror
from jaxcnn.train.files.fetch import fetched
from jaxcnn.train.loop import train_and_evaluate
from tests.data.photos import write_folder
from tests.train.small_runs import COUNTS, photographs

RUN = "s3://box/run"


@pytest.mark.parametrize(("scheme", "driver", "extra"), [("gs", "gcsfs.core", "gcs"), ("s3", "s3fs", "s3")])
def test_a_driver_that_is_not_installed_is_one_line(scheme, driver, extra, tmp_path, monkeypatch):
    buckets.file_system.cache_clear()
    monkeypatch.setitem(sys.modules, driver, None)
    with pytest.raises(UserError, match=rf"^{scheme}:// needs a driver: pip install 'jaxcnn\[{extra}\]'$"):
        train_and_evaluate(photographs(f"{scheme}://box/photos"), tmp_path / "run")


def test_a_bucket_that_goes_away_ends_a_run_which_goes_on_to_the_same_numbers(memory, tmp_path, monkeypatch):
    write_folder(tmp_path / "photos", COUNTS)
    memory.fill(tmp_path / "photos", "gs://box/photos")
    whole = train_and_evaluate(photographs(tmp_path / "photos"), tmp_path / "whole").test
    read, asked = Objects.read, []

    def failing(self, path):
        asked.append(path)
        if len(asked) == 7 * 8:  # the images that the fingerprint samples come before
            memory.trouble["cat_file"] = [OSError("connection reset")] * 99
        return read(self, path)

    with monkeypatch.context() as patch:
        patch.setattr(buckets, "PATIENCE", 0.0)
        patch.setattr(Objects, "read", failing)
        with pytest.raises(
            Fault, match=r"^data in gs://box/photos cannot be read: gs://box cannot be used: connection"
        ):
            train_and_evaluate(photographs("gs://box/photos"), tmp_path / "run")
    memory.trouble.clear()
    assert train_and_evaluate(photographs("gs://box/photos"), tmp_path / "run").test == whole


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """The copy of a run folder, looked at when a test says so."""
    monkeypatch.setattr(mirror, "INTERVAL", 1e6)
    monkeypatch.setattr(mirror, "LAST", 0.0)
    return tmp_path / "copy"


def save(copy, step):
    """A checkpoint and its metrics, as a run writes them."""
    folder = copy / "checkpoints" / str(step)
    (folder / "state").mkdir(parents=True)
    (folder / "state" / "manifest").write_text(f"state {step}")
    (folder / "metadata").write_text("{}")
    with (copy / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": step}) + "\n")


def written(memory):
    """Names of what was written or removed below the run, in turn, but the lease."""
    names = [
        (call, path.removeprefix("box/run/"))
        for call, path in memory.calls
        if call in ("pipe_file", "put_file", "rm_file")
    ]
    return [(call == "rm_file", name) for call, name in names if name != "lock"]


def test_what_makes_a_checkpoint_is_written_last_and_removed_first(memory, copy):
    with mirror.Mirror(RUN, copy, print) as run:
        save(copy, 2)
        assert run.flush() == ""
        names = [name for removed, name in written(memory) if not removed]
        assert names[0] == "metrics.jsonl"
        assert names[-1] == "checkpoints/2/commit_success.txt"
        assert "checkpoints/2/state/commit_success.txt" in names
        save(copy, 4)
        for path in sorted((copy / "checkpoints" / "2").rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        (copy / "checkpoints" / "2").rmdir()
        before = len(written(memory))
        assert run.flush() == ""
        later = written(memory)[before:]
        removed = [name for gone, name in later if gone]
        assert removed[0] == "checkpoints/2/commit_success.txt"
        assert later.index((False, "checkpoints/4/commit_success.txt")) < later.index((True, removed[0]))
    assert sorted(name for name in memory.objects if name.endswith("manifest")) == [
        "box/run/checkpoints/4/state/manifest"
    ]


def test_what_a_bucket_does_not_take_is_said_and_carried_over_later(memory, copy):
    said = []
    with mirror.Mirror(RUN, copy, said.append) as run:
        save(copy, 2)
        memory.trouble["put_file"] = [OSError("connection reset")]
        assert "connection reset" in run.flush()
        assert said[-1].startswith("warning: s3://box cannot be used: connection reset; the run goes on")
        assert "box/run/checkpoints/2/commit_success.txt" not in memory.objects
        assert run.flush() == ""
        assert said[-1] == f"{RUN} can be written again, and has all that was kept for it"
    assert "box/run/checkpoints/2/commit_success.txt" in memory.objects
    assert not copy.exists()


def test_what_is_not_whole_in_a_bucket_is_not_gone_on_from(memory, copy):
    with mirror.Mirror(RUN, copy, print):
        save(copy, 2)
    memory.objects["box/run/checkpoints/4/state/manifest"] = b"half"
    with fetched(RUN) as found:
        assert [path.name for path in (found / "checkpoints").iterdir()] == ["2"]
        assert (found / "metrics.jsonl").read_text() == '{"step": 2}\n'

"""Run folders in buckets without a service: what is carried over, in which order, and what is brought back."""

import sys
import time

import pytest

from jaxcnn import buckets, streams
from jaxcnn.errors import UnsavedError, UserError
from jaxcnn.train.files import fetch, lease, mirror
from jaxcnn.train.files.fetch import MARKER
from jaxcnn.train.files.folder import RunFolder
from jaxcnn.train.files.mirror import Mirror
from tests.buckets.memory import Memory

PLACE = "gs://box/run"
STEP = {"state/data": b"arrays", "checksums/metadata": b"sums", "metadata": b"{}"}
"""Files of a checkpoint."""


@pytest.fixture(autouse=True)
def still(monkeypatch):
    """Threads do nothing by themselves."""
    monkeypatch.setattr(mirror, "INTERVAL", 1e6)
    monkeypatch.setattr(mirror, "LAST", 0.0)
    monkeypatch.setattr(lease, "BEAT", 1e6)
    monkeypatch.setattr(lease, "PATIENCE", 0.2)


def broken(memory, error):
    """Has the bucket take nothing any more; None has it take everything again."""
    memory.trouble = {} if error is None else {call: [error] * 100 for call in ("pipe_file", "put_file")}


@pytest.fixture
def copy(tmp_path):
    return tmp_path / "copy"


@pytest.fixture
def said():
    return []


def put(folder, files):
    """Writes files below a folder."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def checkpoint(copy, step, files=STEP):
    put(copy / "checkpoints" / str(step), files)


def there(memory):
    """The names of what is in the run folder, but for the lock."""
    return {name.removeprefix("box/run/") for name in memory.objects} - {lease.NAME}


def written(memory):
    """What was written and, with a "-", removed since the last call, in order, but for the lock."""
    signs = {"pipe_file": "", "put_file": "", "rm_file": "-"}
    names = [signs[call] + path.removeprefix("box/run/") for call, path in memory.calls if call in signs]
    memory.calls.clear()
    return [name for name in names if name.lstrip("-") != lease.NAME]


def whole(step, files=STEP):
    """The names of a checkpoint that is whole in a bucket."""
    items = {name.split("/")[0] for name in files if "/" in name}
    return {f"checkpoints/{step}/{name}" for name in (*files, MARKER, *(f"{item}/{MARKER}" for item in items))}


def test_what_makes_a_checkpoint_one_is_written_last(memory, copy, said):
    with Mirror(PLACE, copy, said.append) as it:
        checkpoint(copy, 2)
        put(
            copy,
            {"metrics.jsonl": b'{"step": 2}\n', "run.json.partial": b"{", "checkpoints/4.orbax-checkpoint-tmp/a": b""},
        )
        it.flush()
        names = written(memory)
        assert names[0] == "metrics.jsonl"
        assert names[-1] == f"checkpoints/2/{MARKER}"
        assert set(names) == there(memory) == {"metrics.jsonl", *whole(2)}
        it.flush()
        assert written(memory) == []  # what has not changed is not written again
    assert said == []
    assert not copy.exists()
    assert lease.NAME not in {name.rpartition("/")[2] for name in memory.objects}


def test_a_new_checkpoint_is_whole_before_an_old_one_is_removed_and_that_loses_its_marker_first(memory, copy, said):
    with Mirror(PLACE, copy, said.append) as it:
        checkpoint(copy, 2)
        it.flush()
        written(memory)
        checkpoint(copy, 4)
        (copy / "checkpoints" / "2").rename(copy / "checkpoints" / "damaged-2-1")
        it.flush()
        names = written(memory)
    gone = [name for name in names if name.startswith("-")]
    assert names.index(f"checkpoints/4/{MARKER}") < names.index(gone[0])
    assert gone[0] == f"-checkpoints/2/{MARKER}"
    assert {name[1:] for name in gone} == whole(2)
    assert there(memory) == {*whole(4), *(f"checkpoints/damaged-2-1/{name}" for name in STEP)}


def test_a_checkpoint_that_changes_is_none_until_it_is_whole_again(memory, copy, said):
    with Mirror(PLACE, copy, said.append) as it:
        checkpoint(copy, 2)
        it.flush()
        written(memory)
        checkpoint(copy, 2, {"state/data": b"another", "state/more": b""})
        it.flush()
    names = written(memory)
    assert (names[0], names[-1]) == (f"-checkpoints/2/{MARKER}", f"checkpoints/2/{MARKER}")
    assert memory.objects["box/run/checkpoints/2/state/data"] == b"another"


def test_what_a_bucket_does_not_take_is_said_once_kept_and_carried_over_later(memory, copy, said):
    with Mirror(PLACE, copy, said.append) as it:
        checkpoint(copy, 2)
        broken(memory, OSError("no\nroom"))
        for _ in range(2):
            with pytest.raises(UnsavedError) as caught:
                it.flush()
            why = f"{PLACE} lacks what is new: gs://box cannot be used: no room"
            assert str(caught.value) == f"{why}; what is missing there is in {copy}"
        broken(memory, None)
        it.flush()
        assert there(memory) == whole(2)
    assert said == [
        f"warning: gs://box cannot be used: no room; the run goes on, and what is new is kept in {copy} for later",
        f"{PLACE} can be written again, and has all that was kept for it",
    ]
    assert not copy.exists()


def test_what_was_never_carried_over_is_put_beside_the_copy_and_named(memory, copy, said):
    with Mirror(PLACE, copy, said.append):
        checkpoint(copy, 2)
        broken(memory, OSError("away"))
    assert said[-1].endswith(f"what is missing there is in {copy}")
    broken(memory, None)
    said.clear()
    with Mirror(PLACE, copy, said.append):
        assert not (copy / "checkpoints" / "2").exists()  # the bucket has none
    (beside,) = copy.parent.glob("copy-unsent-*")
    assert said == [f"warning: what could not be carried over to {PLACE} before is now in {beside}"]
    assert (beside / "checkpoints" / "2" / "state" / "data").read_bytes() == b"arrays"


def test_a_copy_has_what_a_run_goes_on_from(memory, copy, said):
    files = {
        "config.json": b"{}",
        "metrics.jsonl": b"",
        "tensorboard/events": b"e",
        "checkpoints/damaged-2-1/metadata": b"{}",
    }
    half = {f"checkpoints/6/{name}" for name in STEP}  # no marker
    memory.objects = {f"box/run/{name}": files.get(name, b"x") for name in {*files, *whole(4), *half}}
    put(copy, {"left/behind": b"by one that was killed"})
    with Mirror(PLACE, copy, said.append) as it:
        found = {path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file()}
        assert found == {"lock", "lease", "config.json", "metrics.jsonl", *whole(4)}
        assert (copy / "checkpoints" / "damaged-2-1").is_dir()  # its name is taken
        it.flush()
        assert there(memory) == {*files, *whole(4)}
    with fetch.fetched(PLACE) as looked_at:
        assert (looked_at / "checkpoints" / "4" / MARKER).exists()
    assert not looked_at.exists()


@pytest.mark.parametrize("name", ["../x", "checkpoints/4/../../../x", "/etc/x", "checkpoints/4/..\\..\\..\\x"])
def test_a_name_that_leads_out_of_the_folder_is_refused(memory, copy, said, name, tmp_path):
    memory.objects = {f"box/run/{each}": b"x" for each in (*whole(4), name)}
    for opening in (lambda: Mirror(PLACE, copy, said.append), lambda: fetch.fetched(PLACE)):
        with pytest.raises(UserError) as caught, opening():
            pass
        why = f"the name of its object {name!r} leads out of it; remove that object"
        assert str(caught.value) == f"the run folder {PLACE} cannot be used: {why}"
    assert not (tmp_path / "x").exists()


def test_a_second_run_is_refused_on_this_machine_and_on_another(memory, copy, said, tmp_path):
    with Mirror(PLACE, copy, said.append):
        with pytest.raises(UserError, match=f"{PLACE} is in use by process .*: wait for it, or use another --workdir"):
            Mirror(PLACE, copy, said.append)
        assert said == []


def test_a_lock_that_changes_is_in_use_and_one_that_does_not_is_taken(memory, copy, said, monkeypatch):
    beats = iter(range(100))
    looked = Memory._cat_file

    async def beating(self, path, **about):
        if path.endswith(lease.NAME):
            self.objects[path] = b"id process 7 on elsewhere, %d\n" % next(beats)
        return await looked(self, path, **about)

    with monkeypatch.context() as patch:
        patch.setattr(Memory, "_cat_file", beating)
        with pytest.raises(UserError, match=f"{PLACE} is in use by process 7 on elsewhere: wait for it"):
            Mirror(PLACE, copy, said.append)
    with Mirror(PLACE, copy, said.append):
        assert b"elsewhere" not in memory.objects[f"box/run/{lease.NAME}"]
    assert said == [f"{PLACE} was in use by process 7 on elsewhere: looking for 0.2 s whether it still is"] * 2


def test_a_lock_that_was_left_behind_on_this_machine_is_taken_at_once(memory, copy, said):
    left = Mirror(PLACE, copy, said.append)
    name = f"box/run/{lease.NAME}"
    content = memory.objects[name]
    left.__exit__()  # what a killed process does not do is undone
    memory.objects[name] = content
    put(copy, {"lease": content.split()[0]})
    with Mirror(PLACE, copy, said.append):
        assert memory.objects[name] != content
    assert said == []
    assert name not in memory.objects


def test_who_loses_the_lock_writes_no_more_and_leaves_it(memory, copy, said, monkeypatch):
    monkeypatch.setattr(lease, "BEAT", 0.01)
    name = f"box/run/{lease.NAME}"
    with Mirror(PLACE, copy, said.append):
        before = memory.objects[name]
        until = time.monotonic() + 10
        while memory.objects[name] == before:
            assert time.monotonic() < until, "it is not renewed"
            time.sleep(0.01)
        taken = b"other process 7 on elsewhere, 0\n"
        while True:  # until no beat that has looked before comes after
            memory.objects[name] = taken
            time.sleep(0.1)
            if memory.objects[name] == taken:
                break
        put(copy, {"metrics.jsonl": b"{}\n"})
    assert there(memory) == set()
    assert memory.objects[name] == taken
    assert f"{PLACE} has been taken over by process 7 on elsewhere, and is no longer written" in said[-1]


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (PermissionError("no"), r"gs://box refuses access \(no\): log in with `gcloud auth application-default login`"),
        (TimeoutError(), "gs://box has not answered within 20 s"),
        (type("DefaultCredentialsError", (Exception,), {})("none"), "gs://box needs credentials: log in with "),
        (RuntimeError("a\nb"), "gs://box cannot be used: a b"),
    ],
)
def test_a_bucket_that_cannot_be_written_is_one_line_before_a_run_begins(memory, copy, said, error, says):
    broken(memory, error)
    with pytest.raises(UserError, match=f"^the run folder {PLACE} cannot be used: {says}") as caught:
        Mirror(PLACE, copy, said.append)
    assert "\n" not in str(caught.value)
    with mirror.Lock(copy):  # and it is free
        pass


def test_a_bucket_that_is_not_there_is_one_line(memory, copy, said):
    with pytest.raises(UserError, match=r"^the run folder gs://none/run cannot be used: there is no bucket gs://none$"):
        Mirror("gs://none/run", copy, said.append)


def test_what_nobody_can_be_shown_reaches_the_bucket(memory, copy, monkeypatch):
    monkeypatch.setattr(streams, "_kept", streams._Kept())
    memory.objects["box/run/output.log"] = b"an earlier start\n"
    folder = RunFolder(PLACE, copy=copy)
    streams._kept.add(b"before the folder is held\n")
    with folder.hold():
        streams._kept.add(b"in training\n")
    assert not copy.exists()
    streams._kept.add("afterwards ü\n".encode())
    kept = memory.objects["box/run/output.log"].decode().splitlines()
    assert kept == ["an earlier start", "before the folder is held", "in training", "afterwards ü"]


def test_a_missing_driver_is_one_line(monkeypatch, copy, said):
    for scheme, module, extra in (("gs", "gcsfs.core", "gcs"), ("s3", "s3fs", "s3")):
        monkeypatch.setitem(sys.modules, module, None)
        buckets.file_system.cache_clear()
        with pytest.raises(UserError, match=rf"^{scheme}:// needs a driver: pip install 'jaxcnn\[{extra}\]'$"):
            Mirror(f"{scheme}://box/run", copy, said.append)
    buckets.file_system.cache_clear()

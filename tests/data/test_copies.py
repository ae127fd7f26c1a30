"""Prepared data sets in buckets, in memory: their copies on this machine, and how they get there."""

import errno
import json
import shutil
import threading
import time

import numpy as np
import pytest

from jaxcnn import buckets, locks
from jaxcnn.commands import datasets
from jaxcnn.commands import prepare as command
from jaxcnn.data.read import copies
from jaxcnn.data.read.prepared import find_prepared
from jaxcnn.data.read.sources import load_splits, open_dataset
from jaxcnn.data.sets.builders import prepare
from tests.data.archives import TRAIN, tiny_catalog, write_archive
from tests.data.archives.errors import one_line_error

ADDRESS = "gs://box/data"
PLACE = f"{ADDRESS}/mnist/3.0.1"
SHARD = "box/data/mnist/3.0.1/mnist-train.array_record-00000-of-00001"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Where copies are kept."""
    monkeypatch.setenv("JAXCNN_DATA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(buckets, "PAUSE", 0.01)
    return tmp_path / "cache"


@pytest.fixture
def info(monkeypatch):
    return tiny_catalog(monkeypatch)


@pytest.fixture
def disk(info, tmp_path):
    """A small MNIST, prepared on a disk."""
    write_archive(info, tmp_path / "official")
    prepare("mnist", source=tmp_path / "official", data_dir=tmp_path / "disk")
    return tmp_path / "disk"


@pytest.fixture
def stored(disk, memory, cache):
    """The same in a bucket."""
    memory.fill(disk, ADDRESS)
    return memory


def fetches(memory):
    """Which objects have been fetched."""
    return [path for call, path in memory.calls if call == "get_file"]


def test_a_data_set_is_copied_once_and_is_the_one_on_disk(stored, disk, cache):
    here, there = (load_splits("mnist", data_dir=place) for place in (disk, ADDRESS))
    for split in ("train", "val", "test"):
        for one, other in zip(here[split], there[split], strict=True):
            np.testing.assert_array_equal(one, other)
    assert sorted(fetches(stored)) == sorted({path for path in stored.objects if "/3.0.1/" in path})
    dataset = open_dataset("mnist", data_dir=ADDRESS)
    assert len(fetches(stored)) == len(set(fetches(stored)))
    assert dataset.dir == PLACE
    (copy,) = cache.iterdir()
    assert copy.name.startswith("mnist-3.0.1-")
    said = f"read from a copy of {PLACE} in {copy} (0.3 MB), which later runs use too (JAXCNN_DATA_CACHE)"
    assert dataset.remarks[0] == said
    assert dataset.sources["train"].name(0).endswith(f"in {PLACE}")
    assert not list(copy.glob("*.partial"))


def test_any_set_of_tensorflow_datasets_is_read_too(stored, disk):
    for name in [path for path in stored.objects if path.startswith("box/data/mnist/")]:
        content = stored.objects.pop(name)
        stored.objects[name.replace("data/mnist/", "data/my_set/")] = content
    dataset = open_dataset("my_set", data_dir=ADDRESS)
    assert dataset.dir == f"{ADDRESS}/my_set/3.0.1"
    assert len(dataset.sources["train"].labels) == TRAIN * 9 / 10


def test_what_has_changed_is_copied_anew_and_the_old_copy_is_left_alone(stored, cache):
    open_dataset("mnist", data_dir=ADDRESS)
    (old,) = cache.iterdir()
    before = {path.name: path.read_bytes() for path in old.iterdir()}
    features = "box/data/mnist/3.0.1/features.json"
    stored.objects[features] = stored.objects[features].replace(b" ", b"\n", 1)
    open_dataset("mnist", data_dir=ADDRESS)
    assert len(list(cache.iterdir())) == 2
    assert {path.name: path.read_bytes() for path in old.iterdir()} == before


def test_a_file_of_the_copy_that_is_not_whole_is_fetched_again(stored, cache):
    open_dataset("mnist", data_dir=ADDRESS)
    (copy,) = cache.iterdir()
    path = copy / SHARD.rpartition("/")[2]
    path.write_bytes(path.read_bytes()[:-1])
    (copy / "x.1.partial").write_bytes(b"")
    before = len(fetches(stored))
    open_dataset("mnist", data_dir=ADDRESS)
    assert fetches(stored)[before:] == [SHARD]
    assert not (copy / "x.1.partial").exists()


def test_what_arrives_otherwise_than_it_is_there_is_fetched_again(stored, monkeypatch):
    fetch, spoilt = stored._get_file, []

    async def spoiling(path, here):
        await fetch(path, here)
        if path == SHARD and not spoilt:
            spoilt.append(path)
            content = stored.objects[path]
            with open(here, "wb") as file:
                file.write(content[:100] + b"?" + content[101:])

    monkeypatch.setattr(stored, "_get_file", spoiling)
    assert len(load_splits("mnist", data_dir=ADDRESS)["test"].label) == 20
    assert fetches(stored).count(SHARD) == 2


def test_an_md5_that_is_none_is_known_by_two_copies_that_agree(stored, monkeypatch):
    find = stored._find

    async def encrypted(path, detail):
        return {name: info | {"ETag": '"' + "0" * 32 + '"'} for name, info in (await find(path, detail)).items()}

    monkeypatch.setattr(stored, "_find", encrypted)
    open_dataset("mnist", data_dir=ADDRESS)
    assert fetches(stored).count(SHARD) == 2


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("vanish", f"gs://{SHARD} is gone: start again"),
        ("change", f"gs://{SHARD} has changed while it was copied: start again"),
        ("disk", rf"{PLACE} cannot be copied to .*/mnist-3.0.1-\w+: No space left on device"),
        ("refuse", "gs://box refuses access .no.: log in"),
        ("room", "0.0 MB free, where 0.3 MB of .* are needed: JAXCNN_DATA_CACHE may name another folder"),
    ],
)
def test_what_cannot_be_copied_is_one_line_and_leaves_nothing_half(stored, cache, monkeypatch, call, says):
    fetch = stored._get_file

    async def troubled(path, here):
        await fetch(path, here)
        if call == "change":
            stored.objects[SHARD] = b"x" + stored.objects[SHARD][1:]

    match call:
        case "vanish":
            stored.trouble["get_file"] = [FileNotFoundError(SHARD)] * 9
        case "change":
            monkeypatch.setattr(stored, "_get_file", troubled)
            monkeypatch.setattr(copies, "md5_of", lambda path: "")
            monkeypatch.setattr(copies, "_TRIES", 1)
            monkeypatch.setattr(buckets, "_entry", lambda info: buckets.Entry(info["size"], info["ETag"]))
        case "disk":
            stored.trouble["get_file"] = [OSError(errno.ENOSPC, "No space left on device")] * 9
        case "refuse":
            stored.trouble["get_file"] = [PermissionError("no")] * 9
        case "room":
            usage = type("Usage", (), {"free": 10})
            monkeypatch.setattr(copies.shutil, "disk_usage", lambda folder: usage)
    with one_line_error(says.replace(SHARD, r"box/data/mnist/3.0.1/\S+") if call == "vanish" else says):
        open_dataset("mnist", data_dir=ADDRESS)
    for copy in cache.iterdir():
        assert not list(copy.glob("*.partial"))
        assert call != "change" or not (copy / SHARD.rpartition("/")[2]).exists()


def test_two_processes_make_one_copy(stored, monkeypatch):
    monkeypatch.setattr(locks, "_LOOK", 0.01)
    stored.trouble["get_file"] = [0.3] * 3
    found = find_prepared(open_info(), ADDRESS)
    threads = [threading.Thread(target=copies.brought, args=(found, ["train", "test"])) for _ in range(2)]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    for thread in threads:
        thread.join()
    assert len(fetches(stored)) == len(set(fetches(stored))) > 3


def open_info():
    from jaxcnn.data.catalog import dataset_info

    return dataset_info("mnist")


def test_where_copies_are_kept(monkeypatch, tmp_path):
    monkeypatch.delenv("JAXCNN_DATA_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert copies.cache_folder() == tmp_path / "jaxcnn" / "data"
    monkeypatch.setenv("JAXCNN_DATA_CACHE", "s3://box/cache")
    with one_line_error("JAXCNN_DATA_CACHE is s3://box/cache: it must be a path of this machine"):
        copies.cache_folder()


def test_prepare_writes_into_a_bucket_what_makes_it_readable_last(disk, memory, cache, capsys):
    line = ["mnist", "--from", str(disk.parent / "official"), "--data-dir", ADDRESS]
    memory.objects[f"{PLACE[5:]}/partial.json"] = b"{}"  # as an upload that was interrupted leaves
    assert command.main(line) == 0
    assert capsys.readouterr().out == f"mnist is prepared in {PLACE}: 40 train, 20 test\n"
    written = [path for call, path in memory.calls if call == "put_file"]
    assert written[-1] == f"{PLACE[5:]}/dataset_info.json"
    assert sorted(memory.objects) == sorted(
        f"box/data/{path.relative_to(disk).as_posix()}" for path in (disk / "mnist" / "3.0.1").iterdir()
    )
    assert not list(cache.iterdir())
    assert command.main(line) == 0
    assert f"it was before: to prepare it anew, remove {PLACE}" in capsys.readouterr().out
    assert [path for call, path in memory.calls if call == "put_file"] == written


def test_official_files_are_copied_from_a_bucket_once(disk, memory, cache, capsys):
    memory.fill(disk.parent / "official", "gs://box/official")
    memory.objects["box/official/readme.txt"] = b"not one of them"
    data_dir = disk.parent / "again"
    line = ["mnist", "--from", "gs://box/official", "--data-dir", str(data_dir)]
    assert command.main(line) == 0
    assert capsys.readouterr().out == f"mnist is prepared in {data_dir}/mnist/3.0.1: 40 train, 20 test\n"
    assert all("readme" not in path for path in fetches(memory))
    before = len(fetches(memory))
    assert before == 4
    shutil.rmtree(data_dir / "mnist")
    prepare("mnist", source="gs://box/official", data_dir=data_dir)
    assert len(fetches(memory)) == before
    with one_line_error("--from is gs://box/nowhere: none of the files of mnist is there, which are train-images-idx3"):
        prepare("mnist", source="gs://box/nowhere", data_dir=disk.parent / "third")
    with one_line_error("--from is gs://box/official: bring the files of imagenet to a disk"):
        prepare("imagenet", source="gs://box/official", data_dir=disk.parent / "third")


def test_an_upload_that_was_interrupted_is_no_data_set_and_goes_on(disk, memory, cache, monkeypatch):
    monkeypatch.setattr(buckets, "PATIENCE", 0.0)
    official = disk.parent / "official"
    memory.trouble["put_file"] = [0.0, OSError("connection reset")]
    with one_line_error(rf"cannot write {PLACE}: .*reset; what is prepared is kept in {cache}/for-\w+/mnist/3.0.1"):
        prepare("mnist", source=official, data_dir=ADDRESS)
    sent = set(memory.objects)
    assert sent
    assert find_prepared(open_info(), ADDRESS) is None
    memory.calls.clear()
    assert str(prepare("mnist", source=disk / "nowhere", data_dir=ADDRESS)) == PLACE
    assert not sent & {path for call, path in memory.calls if call == "put_file"}
    assert len(load_splits("mnist", data_dir=ADDRESS)["test"].label) == 20


def test_datasets_are_listed_from_a_bucket(stored, capsys):
    assert datasets.main(["mnist", "--data-dir", ADDRESS]) == 0
    assert PLACE in capsys.readouterr().out
    stored.objects[f"{PLACE[5:]}/dataset_info.json"] = b"{"
    assert datasets.main(["mnist", "--data-dir", ADDRESS]) == 0
    assert f"damaged: {ADDRESS}/mnist" in capsys.readouterr().out
    with one_line_error(r"data set 'mnist' in gs://other/mnist cannot be read: there is no bucket gs://other"):
        datasets.main(["mnist", "--data-dir", "gs://other"])
    assert not fetches(stored)


def test_one_that_is_not_there_is_one_line(memory, cache):
    with one_line_error(
        f"data set 'mnist' is not prepared in {ADDRESS}: run `jaxcnn prepare mnist --data-dir {ADDRESS}`"
    ):
        open_dataset("mnist", data_dir=ADDRESS)


def test_labels_beside_the_records_spare_reading_them(stored, disk, info):
    labels = np.arange(TRAIN, dtype=np.int32) % 10
    file = disk / "labels.npy"
    np.save(file, labels)
    stored.objects[f"{PLACE[5:]}/labels-train.npy"] = file.read_bytes()
    dataset = open_dataset("mnist", data_dir=ADDRESS, validation=10)
    assert sorted(np.concatenate([dataset.sources[s].labels for s in ("train", "val")])) == sorted(labels)
    assert json.loads(stored.objects[f"{PLACE[5:]}/dataset_info.json"])

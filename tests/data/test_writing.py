import shutil

import pytest
import tensorflow_datasets as tfds

from jaxcnn.data import catalog
from jaxcnn.data.read.prepared import find_prepared
from jaxcnn.data.sets import writing
from jaxcnn.data.sets.builders import prepare
from tests.data.archives import TEST, TRAIN, tiny_catalog, write_archive
from tests.data.archives.errors import one_line_error


@pytest.fixture
def info(monkeypatch) -> catalog.DatasetInfo:
    return tiny_catalog(monkeypatch)


def test_many_shards(info, tmp_path, monkeypatch):
    from tensorflow_datasets.core.utils import shard_utils

    official = write_archive(info, tmp_path)
    monkeypatch.setattr(shard_utils.ShardConfig, "get_number_shards", lambda self, size, count: 3)
    place = prepare("mnist", source=tmp_path, data_dir=tmp_path)
    assert len(list(place.glob("mnist-train.array_record-*-of-00003"))) == 3
    images, labels = official["train"]
    expected = sorted((int(label), image.tobytes()) for image, label in zip(images, labels, strict=True))
    records = list(tfds.data_source("mnist", data_dir=tmp_path, download=False)["train"])
    assert sorted((int(record["label"]), record["image"].tobytes()) for record in records) == expected


def test_tfrecord_has_the_same_records(info, tmp_path):
    write_archive(info, tmp_path)
    place = prepare("mnist", source=tmp_path, data_dir=tmp_path / "other", form="tfrecord")
    assert find_prepared(info, tmp_path / "other").formats == {"tfrecord"}
    (path,) = place.glob("mnist-test.tfrecord-00000-of-00001")
    prepare("mnist", source=tmp_path, data_dir=tmp_path)
    builder = tfds.builder("mnist", data_dir=tmp_path)
    serialized = builder.as_data_source("test", deserialize_method=tfds.decode.DeserializeMethod.RAW_BYTES)
    assert tfrecords(path.read_bytes()) == [serialized[index] for index in range(TEST)]


def tfrecords(file: bytes) -> list[bytes]:
    """The records of a TFRecord file; the checksums are compared by TensorFlow, in another test."""
    records = []
    while file:
        length = int.from_bytes(file[:8], "little")
        records.append(file[12 : 12 + length])
        file = file[16 + length :]
    return records


def test_what_a_killed_run_leaves_is_not_taken_for_whole(info, tmp_path, monkeypatch):
    write_archive(info, tmp_path / "official")
    whole = writing._records

    def watched(examples, rows, advance):
        yield from whole(examples, rows, advance)
        shutil.copytree(tmp_path / "data", tmp_path / f"killed after {len(examples.label)}")

    with monkeypatch.context() as patch:
        patch.setattr(writing, "_records", watched)
        prepare("mnist", source=tmp_path / "official", data_dir=tmp_path / "data")
    for left in (tmp_path / f"killed after {TRAIN}", tmp_path / f"killed after {TEST}"):
        assert [path.name.partition(".")[0] for path in sorted(left.glob("mnist/*"))] == ["incomplete", "lock"]
        assert find_prepared(info, left) is None
        prepare("mnist", source=tmp_path / "official", data_dir=left)
        assert find_prepared(info, left).examples == {"train": TRAIN, "test": TEST}
        assert [path.name for path in left.glob("mnist/*")] == ["3.0.1"]


def test_two_at_once(info, tmp_path):
    write_archive(info, tmp_path / "official")
    with writing._alone(tmp_path / "mnist"), one_line_error(r"process \d+ on .* is preparing a data set in .*/mnist"):
        prepare("mnist", source=tmp_path / "official", data_dir=tmp_path)
    prepare("mnist", source=tmp_path / "official", data_dir=tmp_path)


def test_an_image_that_is_none_leaves_nothing(monkeypatch, tmp_path):
    info = tiny_catalog(monkeypatch, "imagenet")
    write_archive(info, tmp_path)
    path = tmp_path / "ILSVRC2012_img_val.tar"
    path.write_bytes(path.read_bytes().replace(b"JFIF", b"JUNK").replace(b"\xff\xd8\xff", b"\0\0\0"))
    with one_line_error(r"holds ILSVRC2012_val_\d+.JPEG, which cannot be read: no image$"):
        prepare("imagenet", source=tmp_path, data_dir=tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_run_that_fails_takes_away_its_own_folders_alone(info, tmp_path, monkeypatch):
    write_archive(info, tmp_path / "official")

    def full(*_):
        raise OSError("the disk is full")
        yield

    monkeypatch.setattr(writing, "_records", full)
    mine = tmp_path / "data" / "downloads" / "mnist"
    mine.mkdir(parents=True)
    with one_line_error("cannot write mnist to .*the disk is full"):
        prepare("mnist", source=tmp_path / "official", data_dir=tmp_path / "data")
    assert sorted((tmp_path / "data").rglob("*")) == [mine.parent, mine]


def test_folder_that_cannot_be_written(info, tmp_path):
    write_archive(info, tmp_path)
    (tmp_path / "file").touch()
    with one_line_error("cannot write mnist to"):
        prepare("mnist", source=tmp_path, data_dir=tmp_path / "file")


def test_no_room(info, tmp_path, monkeypatch):
    write_archive(info, tmp_path)
    monkeypatch.setattr(writing.shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10, 10, 40_000))
    with one_line_error(r"has 0.0 GB free, where about 0.0 GB are needed"):
        prepare("mnist", source=tmp_path, data_dir=tmp_path)


def test_a_folder_that_is_no_data_set_is_not_taken_for_one(info, tmp_path):
    write_archive(info, tmp_path)
    (tmp_path / "mnist" / "3.0.1").mkdir(parents=True)
    with one_line_error("mnist/3.0.1 is no whole data set: remove it to prepare it anew"):
        prepare("mnist", source=tmp_path, data_dir=tmp_path)


def test_a_user_without_a_name_prepares_too(info, tmp_path, monkeypatch):
    pwd, grp = pytest.importorskip("pwd"), pytest.importorskip("grp")

    def nobody(number):
        raise KeyError(f"uid not found: {number}")

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.setattr(grp, "getgrgid", nobody)
    write_archive(info, tmp_path)
    place = prepare("mnist", source=tmp_path, data_dir=tmp_path)
    assert find_prepared(info, tmp_path).place == place
    assert (pwd.getpwuid, grp.getgrgid) == (nobody, nobody)

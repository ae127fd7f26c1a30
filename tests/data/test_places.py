"""Folders of images in buckets, in memory."""

import pickle
import time

import numpy as np
import pytest

from jaxcnn import buckets
from jaxcnn.data.read.folder import open_folder
from jaxcnn.data.read.measure import source_fingerprint
from jaxcnn.data.read.sources import load_splits, open_dataset
from jaxcnn.errors import Fault, UserError
from tests.data.photos import encoded as jpeg
from tests.data.photos import picture, write_folder

COUNTS = {"train/ant": 6, "train/bee": 5, "test/ant": 2, "test/bee": 3}
ADDRESS = "s3://box/photos"


@pytest.fixture
def here(tmp_path, memory):
    """A folder of images with all sorts of things in it, and beside it the same in a bucket."""
    write_folder(tmp_path, COUNTS)
    odd = {
        "train/ant/notes.txt": b"ants",
        "train/ant/deeper/no_ending": jpeg(picture(1)),
        "train/bee/.hidden.jpg": b"",
        "train/bee/x#1 [2]?*.JPG": jpeg(picture(2)),
        "train/bee/ü.png": jpeg(picture(3), "PNG"),
        "train/__MACOSX/bee/1.jpg": b"",
        "train/loose.png": b"",
        "train/empty": b"",
        "train/bee/empty": b"",
        "readme.md": b"#",
        "@eaDir/ant/1.jpg": b"",
    }
    for name, content in odd.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    memory.fill(tmp_path, ADDRESS)
    memory.objects["box/photos/train/ant/"] = b""  # as consoles make folders
    memory.objects["box/photos2/train/wasp/1.jpg"] = b""
    return tmp_path


def test_a_folder_in_a_bucket_is_the_folder_on_disk(here, memory):
    disk, bucket = (open_folder(place) for place in (here, ADDRESS))
    assert bucket.class_names == disk.class_names == ("ant", "bee")
    assert bucket.remarks == disk.remarks
    assert disk.remarks[0].startswith("3 files that are no images of a class are left out: train/loose.png, ")
    for split in ("train", "test"):
        assert bucket.splits[split].paths == disk.splits[split].paths
        np.testing.assert_array_equal(bucket.splits[split].labels, disk.splits[split].labels)
    assert [call for call, _ in memory.calls].count("find") == 1
    source = bucket.splits["train"]
    assert source.name(0) == f"{ADDRESS}/train/ant/001.jpg"
    assert source[0].content == disk.splits["train"][0].content
    again = pickle.loads(pickle.dumps(source))  # as worker processes get it
    assert again[7].content == source[7].content
    assert len(pickle.dumps(source.place)) < 200


def test_data_is_the_same_wherever_it_lies(here):
    disk, bucket = (open_dataset("folder", data_dir=place) for place in (here, ADDRESS))
    assert source_fingerprint(disk.sources) == source_fingerprint(bucket.sources)
    assert (disk.dir, bucket.dir) == (str(here), ADDRESS)
    held = [load_splits("folder", data_dir=place, image_size=16) for place in (here, ADDRESS)]
    for split in ("train", "val", "test"):
        for one, other in zip(*(each[split] for each in held), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        (f"{ADDRESS}/none", "there is nothing of that name in the bucket$"),
        ("gs://box/photos/readme.md", "it is a file: unpack it$"),
        ("gs://other/photos", "there is no bucket gs://other$"),
        (f"{ADDRESS}/train/ant", f"{ADDRESS}/train/ant holds 1 folders of images"),
        ("gs:/box/photos", "write an address in a bucket as gs://box/photos"),
        ("hdfs://box/photos", "only gs:// and s3:// are supported"),
    ],
)
def test_where_there_is_no_folder_it_is_said_in_one_line(here, address, says):
    with pytest.raises(UserError, match=rf"^[^\n]*{says}"):
        open_folder(address)


def test_a_bucket_that_refuses_is_one_line(here, memory):
    memory.trouble["cat_file"] = [PermissionError("Access Denied")]
    with pytest.raises(UserError, match=rf"^data.dir is {ADDRESS}: s3://box refuses access \(Access D.*\): set AWS_"):
        open_folder(ADDRESS)


def test_an_image_that_vanishes_is_named(here, memory):
    open_dataset("folder", data_dir=ADDRESS)
    source = open_folder(ADDRESS).splits["train"]
    del memory.objects["box/photos/train/ant/002.jpg"]
    with pytest.raises(ValueError, match=r"^the object is gone$"):
        source[source.paths.index("ant/002.jpg")]


def test_a_bucket_that_is_away_for_a_while_is_waited_for(here, memory, monkeypatch):
    source = open_folder(ADDRESS).splits["train"]
    monkeypatch.setattr(buckets, "PAUSE", 0.01)
    memory.trouble["cat_file"] = [OSError("connection reset"), OSError("connection reset")]
    assert source[0].content.startswith(b"\xff\xd8")
    memory.trouble["cat_file"] = [PermissionError("no more")]
    with pytest.raises(Fault, match=rf"^data in {ADDRESS} cannot be read: s3://box refuses access"):
        source[0]
    monkeypatch.setattr(buckets, "PATIENCE", 0.0)
    memory.trouble["cat_file"] = [OSError("connection reset")] * 9
    with pytest.raises(Fault, match=r"s3://box cannot be used: connection reset; what was saved before"):
        source_fingerprint({"train": source})


def test_many_are_asked_for_at_a_time(here, memory):
    source = open_folder(ADDRESS).splits["train"]
    memory.trouble["cat_file"] = [0.2] * len(source.labels)
    before = time.monotonic()
    source_fingerprint({"train": source})
    assert time.monotonic() - before < 0.2 * len(source.labels) / 3

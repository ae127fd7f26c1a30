"""Objects of buckets, through the drivers."""

import pytest

from jaxcnn.buckets import Bucket, BucketError

pytestmark = pytest.mark.buckets


def test_objects_are_written_found_read_and_removed(place, tmp_path):
    bucket = Bucket(place)
    assert bucket.find() == {}
    bucket.write("a/two words ü.txt", b"one")
    bucket.write("a/empty", b"")
    Bucket(f"{place}x").write("b", b"a neighbour whose name begins alike")
    before = bucket.find()
    assert {name: entry.size for name, entry in before.items()} == {"a/empty": 0, "a/two words ü.txt": 3}
    bucket.write("a/empty", b"x")
    after = bucket.find("a")
    assert after["a/empty"].tag != before["a/empty"].tag
    assert after["a/two words ü.txt"] == before["a/two words ü.txt"]
    assert bucket.read("a/two words ü.txt") == b"one"
    (tmp_path / "big").write_bytes(bytes(range(256)) * 30_000)
    bucket.upload(tmp_path / "big", "big")
    bucket.download("big", tmp_path / "below" / "again")
    assert (tmp_path / "below" / "again").read_bytes() == (tmp_path / "big").read_bytes()
    bucket.remove(["big", "a/empty", "not there"])
    assert list(bucket.find()) == ["a/two words ü.txt"]
    for absent in (lambda: bucket.read("big"), lambda: bucket.download("big", tmp_path / "c")):
        with pytest.raises(FileNotFoundError):
            absent()
    with pytest.raises(FileNotFoundError):
        bucket.upload(tmp_path / "none", "d")


def test_what_a_bucket_does_not_do_is_one_line(emulator, tmp_path):
    absent = Bucket(f"{emulator.scheme}://no-such-box/run")
    for call in (absent.find, lambda: absent.write("a", b"b")):
        with pytest.raises(BucketError, match=f"^there is no bucket {emulator.scheme}://no-such-box$"):
            call()


def test_a_bucket_that_does_not_answer_is_given_up(emulator, place, monkeypatch):
    monkeypatch.setattr("jaxcnn.buckets.ANSWER", 1.0)
    with emulator.away(), pytest.raises(BucketError, match=f"{emulator.address} has not answered within 1 s"):
        Bucket(place).find()
    assert Bucket(place).find() == {}

import dataclasses
import gzip
import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from jaxcnn.data import catalog
from jaxcnn.data.builders import _OfficialFiles, prepare
from jaxcnn.data.idx import read_idx
from jaxcnn.data.sources import load_splits
from jaxcnn.data.store import is_prepared, read_prepared
from jaxcnn.errors import UserError
from tests.data.archives import TEST, TRAIN, idx_bytes, tiny_catalog, write_archive


def one_line_error(match: str):
    """Expects a `UserError` that has `match` in it and is one line."""
    return pytest.raises(UserError, match=r"\A[^\n]*" + match + r"[^\n]*\Z")


@pytest.fixture
def info(monkeypatch) -> catalog.DatasetInfo:
    return tiny_catalog(monkeypatch)


def by_content(image, label) -> list[bytes]:
    return sorted(i.tobytes() + bytes([x]) for i, x in zip(image, label, strict=True))


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_from_official_files_to_splits(name, monkeypatch, tmp_path, capfd):
    info = tiny_catalog(monkeypatch, name)
    official = write_archive(info, tmp_path / "official")
    place = prepare(name, source=tmp_path / "official", data_dir=tmp_path / "data")
    assert place == tmp_path / "data" / name / "3.0.1"

    stock = tfds.data_source(name, data_dir=tmp_path / "data", download=False)
    assert {split: len(source) for split, source in stock.items()} == {"train": TRAIN, "test": TEST}
    assert stock["train"][0]["image"].shape == (28, 28, 1)

    splits = load_splits(name, data_dir=tmp_path / "data")
    assert {split: each.image.shape for split, each in splits.items()} == {
        "train": (30, 28, 28, 1),
        "val": (10, 28, 28, 1),
        "test": (20, 28, 28, 1),
    }
    assert {(each.image.dtype.name, each.label.dtype.name) for each in splits.values()} == {("uint8", "int32")}
    np.testing.assert_array_equal(np.bincount(splits["val"].label), np.ones(10))
    together = [np.concatenate(pair) for pair in zip(splits["train"], splits["val"], strict=True)]
    assert by_content(*together) == by_content(*official["train"])
    assert by_content(*splits["test"]) == by_content(*official["test"])
    assert capfd.readouterr().out == ""


def test_prepared_is_left_alone(info, tmp_path):
    write_archive(info, tmp_path)
    prepare("mnist", source=tmp_path, data_dir=tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    prepare("mnist", source=tmp_path / "nowhere", data_dir=tmp_path)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}


def test_what_a_killed_run_leaves_is_not_taken_for_whole(info, tmp_path, monkeypatch):
    write_archive(info, tmp_path / "official")
    whole = _OfficialFiles._generate_examples

    def watched(self, name):
        yield from whole(self, name)
        shutil.copytree(tmp_path / "data", tmp_path / f"killed_in_{name}")

    with monkeypatch.context() as patch:
        patch.setattr(_OfficialFiles, "_generate_examples", watched)
        prepare("mnist", source=tmp_path / "official", data_dir=tmp_path / "data")
    for left in (tmp_path / "killed_in_train", tmp_path / "killed_in_test"):
        assert list(left.glob("mnist/*"))
        assert not is_prepared(info, left)
    prepare("mnist", source=tmp_path / "official", data_dir=left)
    assert len(read_prepared(info, "train", left).label) == TRAIN


def replace(path: Path, content: bytes) -> None:
    path.write_bytes(gzip.compress(content))


def remove_a_file(path, image):
    path.unlink()


def cut_the_gzip(path, image):
    path.write_bytes(path.read_bytes()[:-50])


def no_gzip(path, image):
    path.write_bytes(b"<html>not found</html>")


def cut_the_content(path, image):
    replace(path, idx_bytes(image)[:-1])


def wrong_magic(path, image):
    replace(path, b"\x00\x00\x0d\x03" + idx_bytes(image)[4:])


def too_few(path, image):
    replace(path, idx_bytes(image[1:]))


def wrong_size(path, image):
    replace(path, idx_bytes(image[:, 1:]))


def empty(path, image):
    replace(path, b"")


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (remove_a_file, "does not hold train-images-idx3-ubyte.gz, which mnist is made from"),
        (cut_the_gzip, "train-images-idx3-ubyte.gz is damaged or cut short"),
        (no_gzip, "train-images-idx3-ubyte.gz is damaged or cut short"),
        (cut_the_content, "is cut short or too long: 31,359 bytes of 40 x 28 x 28"),
        (wrong_magic, "is no idx file of bytes: it begins with 00 00 0d 03"),
        (too_few, "holds 39 x 28 x 28 bytes where 40 x 28 x 28 were expected"),
        (wrong_size, "holds 40 x 27 x 28 bytes where 40 x 28 x 28 were expected"),
        (empty, "is no idx file of bytes: it begins with nothing"),
    ],
)
def test_spoilt_files(spoil, match, info, tmp_path):
    official = write_archive(info, tmp_path / "official")
    spoil(tmp_path / "official" / "train-images-idx3-ubyte.gz", official["train"][0])
    with one_line_error(match):
        prepare("mnist", source=tmp_path / "official", data_dir=tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_label_out_of_range(info, tmp_path):
    write_archive(info, tmp_path)
    replace(tmp_path / "t10k-labels-idx1-ubyte.gz", idx_bytes(np.full(TEST, 10, np.uint8)))
    with one_line_error("has label 10: mnist has labels 0 to 9"):
        prepare("mnist", source=tmp_path, data_dir=tmp_path)


def test_unreadable_file(tmp_path):
    with one_line_error("cannot read .*: Is a directory"):
        read_idx(tmp_path)


def test_folder_that_cannot_be_written(info, tmp_path):
    write_archive(info, tmp_path)
    (tmp_path / "file").touch()
    with one_line_error("cannot write mnist to"):
        prepare("mnist", source=tmp_path, data_dir=tmp_path / "file")


def test_digits_are_not_prepared():
    with one_line_error("'digits' is installed with scikit-learn"):
        prepare("digits")


def downloadable(info, folder: Path, monkeypatch) -> None:
    """Points the catalog at files on this machine."""
    write_archive(info, folder)
    files = {}
    for part, file in info.files.items():
        path = folder / file.name
        files[part] = catalog.SourceFile(path.as_uri(), hashlib.sha256(path.read_bytes()).hexdigest())
    monkeypatch.setitem(catalog.CATALOG, "mnist", dataclasses.replace(info, files=files))


def test_download(info, tmp_path, monkeypatch):
    downloadable(info, tmp_path / "server", monkeypatch)
    prepare("mnist", data_dir=tmp_path / "data")
    assert is_prepared(info, tmp_path / "data")
    assert not list((tmp_path / "data").rglob("*.part"))


def test_download_of_another_file(info, tmp_path, monkeypatch):
    downloadable(info, tmp_path / "server", monkeypatch)
    (tmp_path / "server" / "t10k-images-idx3-ubyte.gz").write_bytes(b"sign in to the network first")
    with one_line_error(r"t10k-images-idx3-ubyte.gz: not the file that its authors published \(sha256\); bring train-"):
        prepare("mnist", data_dir=tmp_path / "data")
    assert not list((tmp_path / "data").rglob("t10k-images*"))


def test_download_without_a_network(info, tmp_path, monkeypatch):
    files = {part: catalog.SourceFile("http://127.0.0.1:9/" + file.name, "0") for part, file in info.files.items()}
    monkeypatch.setitem(catalog.CATALOG, "mnist", dataclasses.replace(info, files=files))
    with one_line_error("cannot download http://127.0.0.1:9/train-images.*Connection refused; .* as --from DIR"):
        prepare("mnist", data_dir=tmp_path)


def test_not_prepared(info, tmp_path):
    command = f"python -m jaxcnn prepare mnist --data-dir {tmp_path}"
    with one_line_error(f"data set 'mnist' is not prepared in {tmp_path}: run `{command}`"):
        load_splits("mnist", data_dir=tmp_path)


def cut_the_records(place):
    path = next(place.glob("*train*"))
    path.write_bytes(path.read_bytes()[:-1000])


def lose_the_records(place):
    next(place.glob("*train*")).unlink()


def miscount(place):
    path = place / "dataset_info.json"
    path.write_text(path.read_text().replace(f'"{TRAIN}"', f'"{TRAIN - 1}"'))


def garble(place):
    (place / "dataset_info.json").write_text("{")


def other_format(place):
    path = place / "dataset_info.json"
    path.write_text(path.read_text().replace("array_record", "tfrecord"))
    for path in place.glob("*.array_record*"):
        path.rename(str(path).replace("array_record", "tfrecord"))


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (cut_the_records, "is damaged .*: remove it and prepare it again"),
        (lose_the_records, "is damaged"),
        (miscount, r"is damaged \(train has shape \(39, 28, 28, 1\) where \(40, 28, 28, 1\) was expected"),
        (garble, "is damaged"),
        (other_format, "is not in the array_record format: prepare it in another folder"),
    ],
)
def test_damaged_data(spoil, match, info, tmp_path):
    write_archive(info, tmp_path)
    spoil(prepare("mnist", source=tmp_path, data_dir=tmp_path))
    with one_line_error(match):
        load_splits("mnist", data_dir=tmp_path)

import gzip
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from jaxcnn.data.catalog import dataset_info
from jaxcnn.data.sets.archives.idx import read_idx, read_idx_split
from tests.data.archives import TEST, TRAIN, idx_bytes, tiny_catalog, write_archive
from tests.data.archives.errors import one_line_error
from tests.data.archives.idx import replace

NAMES = [file.name for file in dataset_info("mnist").files.values()]
DEBIAN = Path("/usr/share/datasets/fashion-mnist")


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_images_and_labels(name, monkeypatch, tmp_path):
    info = tiny_catalog(monkeypatch, name)
    for split, (image, label) in write_archive(info, tmp_path).items():
        found = read_idx_split(info, tmp_path, split)
        np.testing.assert_array_equal(found.image, image)
        np.testing.assert_array_equal(found.label, label)


@pytest.mark.parametrize(
    "renamed",
    [
        lambda name: name.removesuffix(".gz"),
        lambda name: name.replace("-idx", ".idx").removesuffix(".gz"),
        lambda name: f"MNIST/raw/{name.removesuffix('.gz')}",
        lambda name: f"{name.removesuffix('.gz')}/{name.removesuffix('.gz')}",
        lambda name: name.upper().replace(".GZ", " (1).GZ"),
        lambda name: name,
        lambda name: f"{sorted(NAMES).index(name)}.bin",
    ],
)
@pytest.mark.parametrize("packed", [True, False])
def test_files_by_the_names_that_unpacking_gives_them(renamed, packed, monkeypatch, tmp_path):
    info = tiny_catalog(monkeypatch, "mnist")
    official = write_archive(info, tmp_path / "official")
    for file in info.files.values():
        content, path = (tmp_path / "official" / file.name).read_bytes(), tmp_path / "own" / renamed(file.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if packed else gzip.decompress(content))
    for split, (image, label) in official.items():
        found = read_idx_split(info, tmp_path / "own", split)
        np.testing.assert_array_equal(found.image, image)
        np.testing.assert_array_equal(found.label, label)


def test_a_folder_that_may_not_be_read_is_passed_over(monkeypatch, tmp_path):
    info = tiny_catalog(monkeypatch, "mnist")
    write_archive(info, tmp_path / "some" / "folder")
    scan, locked = os.scandir, tmp_path / "locked"
    locked.mkdir()

    def scandir(path):
        if str(path) == str(locked):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert len(read_idx_split(info, tmp_path, "train").label) == TRAIN


def test_of_two_data_sets_none_is_guessed(monkeypatch, tmp_path):
    info = tiny_catalog(monkeypatch, "mnist")
    for name in ("MNIST", "FashionMNIST"):
        write_archive(info, tmp_path / name)
    with one_line_error(
        "is there more than once, as [^ ]*FashionMNIST/train-.* and [^ ]*MNIST/train-.*: give the folder"
    ):
        read_idx_split(info, tmp_path, "train")
    assert len(read_idx_split(info, tmp_path / "MNIST", "train").label) == TRAIN


@pytest.mark.slow
@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
def test_the_whole_of_fashion_mnist():
    info = dataset_info("fashion_mnist")
    train, test = (read_idx_split(info, DEBIAN, split) for split in ("train", "test"))
    np.testing.assert_array_equal(np.bincount(train.label), np.full(10, 6000))
    np.testing.assert_array_equal(np.bincount(test.label), np.full(10, 1000))
    scaled = train.image / 255
    np.testing.assert_allclose((scaled.mean(), scaled.std()), (*info.mean, *info.std), atol=5e-5)


def test_label_out_of_range(monkeypatch, tmp_path):
    info = tiny_catalog(monkeypatch, "mnist")
    write_archive(info, tmp_path)
    replace(tmp_path / "t10k-labels-idx1-ubyte.gz", idx_bytes(np.full(TEST, 10, np.uint8)))
    with one_line_error("has label 10: mnist has labels 0 to 9"):
        read_idx_split(info, tmp_path, "test")


@pytest.mark.parametrize(
    ("head", "zeros", "says"),
    [
        (idx_bytes(np.zeros((4, 5), np.uint8)), 2**26, "is cut short or too long: more bytes of 4 x 5$"),
        (bytes([0, 0, 8, 3]) + b"\xff" * 12, 2**26, "promises 4294967295 x 4294967295 x 4294967295 bytes: no data set"),
        (bytes([0, 0, 8, 3]) + b"\0" * 7, 0, "is damaged or cut short: in its header$"),
    ],
)
def test_no_more_is_unpacked_than_was_promised(head, zeros, says, tmp_path):
    replace(tmp_path / "images.gz", head + bytes(zeros))
    tracemalloc.start()
    with one_line_error(says):
        read_idx(tmp_path / "images.gz")
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


def test_unreadable_file(tmp_path):
    with one_line_error("cannot read .*: Is a directory"):
        read_idx(tmp_path)

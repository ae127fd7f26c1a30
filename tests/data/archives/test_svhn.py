import numpy as np
import pytest
import scipy.io
import scipy.sparse

from jaxcnn.data.sets.archives.svhn import read_svhn_split
from tests.data.archives import tiny_catalog, write_archive
from tests.data.archives.errors import one_line_error


@pytest.fixture
def info(monkeypatch):
    return tiny_catalog(monkeypatch, "svhn")


def test_orientation_and_labels(info, tmp_path):
    official = write_archive(info, tmp_path)
    assert scipy.io.loadmat(tmp_path / "test_32x32.mat")["X"].shape == (32, 32, 3, 20)
    assert scipy.io.loadmat(tmp_path / "test_32x32.mat")["y"].max() == 10
    for split, (image, label) in official.items():
        found = read_svhn_split(info, tmp_path, split)
        np.testing.assert_array_equal(found.image, image)
        np.testing.assert_array_equal(found.label, label)
        assert found.features["id"][-1] == f"{split}_{len(label) - 1:06d}"


def save(path, **content):
    scipy.io.savemat(path, content)


IMAGE, DIGIT = np.zeros((32, 32, 3, 4), np.uint8), np.ones((4, 1), np.uint8)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ({"X": IMAGE, "y": DIGIT * 11}, "has 11 in y: svhn has 1 to 9, and 10 for a 0$"),
        ({"X": IMAGE, "y": DIGIT * 0}, "has 0 in y"),
        ({"X": IMAGE, "y": DIGIT * 1.5}, "mat, y: the label of image 0 is 1.5: it must be a whole number$"),
        ({"X": IMAGE, "y": np.array([1, 2, np.nan, 3])}, "y: the label of image 2 is nan"),
        ({"X": IMAGE, "y": np.array([1, 2, 3, 2.0**40])}, "y: the label of image 3 is 1099511627776.0"),
        (
            {"X": IMAGE, "y": np.array(["1", "2", "3", "4"], object)},
            "y: labels are object: they must be",
        ),
        ({"X": IMAGE, "y": "1234"}, r"has X \(32, 32, 3, 4\) uint8, where \(32, 32, 3, 1\)"),
        ({"X": IMAGE[..., :1], "y": "1234"}, r"y: labels are <U4: they must be whole numbers$"),
        ({"X": IMAGE, "y": scipy.sparse.csc_matrix(np.eye(2))}, "is damaged, cut short or no MATLAB file"),
        ({"X": np.zeros((32, 32, 3, 41), np.uint8), "y": np.ones(41)}, "holds 41 examples, where svhn has 40$"),
        ({"X": IMAGE, "y": DIGIT[:3]}, r"has X \(32, 32, 3, 4\) uint8, where \(32, 32, 3, 3\) uint8 goes with its y"),
        ({"X": np.moveaxis(IMAGE, -1, 0), "y": DIGIT}, r"has X \(4, 32, 32, 3\) uint8, where"),
        ({"X": IMAGE.astype(np.float64), "y": DIGIT}, r"has X \(32, 32, 3, 4\) double, where"),
        ({"X": IMAGE}, "has no y: it is cut short or another file"),
        ({"Z": IMAGE}, "has no X and no y"),
    ],
)
def test_wrong_content(content, match, info, tmp_path):
    save(tmp_path / "train_32x32.mat", **content)
    with one_line_error(match):
        read_svhn_split(info, tmp_path, "train")


def test_labels_may_be_doubles(info, tmp_path):
    save(tmp_path / "train_32x32.mat", X=IMAGE, y=np.array([[1.0], [10], [9], [2]]))
    label = read_svhn_split(info, tmp_path, "train").label
    assert (label.tolist(), label.dtype) == ([1, 0, 9, 2], np.int32)


@pytest.mark.parametrize("length", [0, 50, 128, 200, 1000, -1000])
def test_cut_short(length, info, tmp_path):
    write_archive(info, tmp_path)
    path = tmp_path / "train_32x32.mat"
    path.write_bytes(path.read_bytes()[:length])
    with one_line_error("is damaged, cut short or no MATLAB file|is cut short or another file"):
        read_svhn_split(info, tmp_path, "train")


def test_missing(info, tmp_path):
    with one_line_error("does not hold test_32x32.mat, which svhn is made from"):
        read_svhn_split(info, tmp_path, "test")

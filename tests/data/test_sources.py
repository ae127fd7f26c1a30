import numpy as np
import pytest
from sklearn.datasets import load_digits

from jaxcnn.data.read.measure import channel_statistics, fingerprint, source_fingerprint
from jaxcnn.data.read.prepared import data_folder
from jaxcnn.data.read.records import ArraySource
from jaxcnn.data.read.sources import load_splits, open_dataset
from jaxcnn.data.read.split import Split, cut
from jaxcnn.errors import UserError
from tests.data.photos import write_folder


@pytest.fixture(scope="module")
def digits() -> dict[str, Split]:
    return load_splits("digits", image_size=8)


def test_digits_counts_and_stratification(digits):
    assert {split: len(each.label) for split, each in digits.items()} == {"train": 1257, "val": 180, "test": 360}
    shares = np.stack([np.bincount(each.label) / len(each.label) for each in digits.values()])
    assert np.ptp(shares, axis=0).max() < 0.006


def test_digits_are_all_there_once(digits):
    pixels = np.concatenate([each.image for each in digits.values()]).reshape(-1, 64)
    original = load_digits().data
    levels = np.round(original * 255 / 16 + 1e-9).astype(np.uint8)
    assert sorted(map(bytes, pixels)) == sorted(map(bytes, levels))
    assert (pixels.min(), pixels.max()) == (0, 255)


def test_digits_validation_is_fixed_unless_asked_for(digits):
    assert fingerprint(load_splits("digits", image_size=8, seed=5)) == fingerprint(digits)
    one, other, again = (load_splits("digits", image_size=8, seed=seed, validation=180) for seed in (1, 2, 1))
    assert fingerprint(one) == fingerprint(again) != fingerprint(other)
    assert fingerprint({"test": one["test"]}) == fingerprint({"test": other["test"]})


def test_digits_are_32_pixels_by_default():
    splits = load_splits("digits")
    assert {each.image.shape[1:] for each in splits.values()} == {(32, 32, 1)}


@pytest.mark.parametrize(("validation", "expected"), [(0.25, 359), (100, 100), (1.0, 1), (1430, 1430)])
def test_validation_amounts(validation, expected):
    splits = load_splits("digits", image_size=8, validation=validation)
    assert len(splits["val"].label) == expected
    assert len(splits["train"].label) == 1437 - expected


@pytest.mark.parametrize("validation", [-1, -0.1, 0, 1.5, 1437, 2000, 1e-6, float("nan"), float("inf")])
def test_senseless_validation(validation):
    with pytest.raises(UserError, match=r"^data.validation is [^\n]+: it must be a fraction[^\n]+1,437[^\n]+$"):
        load_splits("digits", validation=validation)


def test_senseless_image_size():
    with pytest.raises(UserError, match=r"^image_size is 0: it must be a whole number in \[1, inf\)$"):
        load_splits("digits", image_size=0)


@pytest.mark.parametrize("seed", [None, 0, 7, -3])
def test_cut_is_stratified_and_disjoint(seed):
    label = np.random.RandomState(1).choice(5, 1000, p=[0.5, 0.2, 0.15, 0.1, 0.05]).astype(np.int32)
    rest, taken = cut(label, 130, seed=seed)
    assert sorted([*rest, *taken]) == list(range(1000))
    assert np.all(np.diff(rest) > 0)
    assert np.abs(np.bincount(label[taken]) - np.bincount(label) * 0.13).max() < 1


def test_channel_statistics():
    image = np.random.RandomState(0).randint(0, 256, (50, 7, 5, 3)).astype(np.uint8)
    image[..., 2] = 51
    mean, std = channel_statistics(image)
    scaled = image.astype(np.float64) / 255
    np.testing.assert_allclose(mean, scaled.mean((0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(std[:2], scaled.std((0, 1, 2))[:2], rtol=1e-6)
    assert std[2] == 1
    assert mean.dtype == std.dtype == np.float32


def test_fingerprint_sees_a_pixel_a_label_and_the_cut(digits):
    changed = {name: Split(each.image.copy(), each.label.copy()) for name, each in digits.items()}
    assert fingerprint(changed) == fingerprint(dict(reversed(changed.items()))) == fingerprint(digits)
    changed["val"].image[3, 2, 1, 0] ^= 1
    pixel = fingerprint(changed)
    changed["val"].image[3, 2, 1, 0] ^= 1
    changed["test"].label[0] += 1
    label = fingerprint(changed)
    cut_elsewhere = fingerprint({**digits, "val": Split(*(part[:179] for part in digits["val"]))})
    assert len({pixel, label, cut_elsewhere, fingerprint(digits)}) == 4
    assert len(pixel) == 16


def test_folders_called_by_wordnet_ids_get_imagenets_names(tmp_path):
    write_folder(tmp_path, {f"train/{name}": 4 for name in ("n01440764", "n01443537")})
    dataset = open_dataset("folder", data_dir=tmp_path, test=2)
    assert (dataset.class_names, dataset.class_ids) == (("tench", "goldfish"), ("n01440764", "n01443537"))
    (tmp_path / "train" / "n01443537").rename(tmp_path / "train" / "n01443537x")
    dataset = open_dataset("folder", data_dir=tmp_path, test=2)
    assert (dataset.class_names, dataset.class_ids) == (("n01440764", "n01443537x"), ())


def test_data_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert data_folder(None) == tmp_path
    assert data_folder("/data") == data_folder("/data").absolute()
    monkeypatch.delenv("TFDS_DATA_DIR")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_folder(None) == tmp_path / "tensorflow_datasets"


def test_the_fingerprint_of_what_is_not_in_memory_sees_a_pixel_a_label_and_their_order():
    image, label = np.zeros((3, 2, 2, 1), np.uint8), np.arange(3, dtype=np.int32)
    pixel = image.copy()
    pixel[1, 1, 1] = 1
    sources = [ArraySource(image, label), ArraySource(pixel, label), ArraySource(pixel[[1, 0, 2]], label)]
    sources += [ArraySource(image, label[[1, 0, 2]]), ArraySource(image[:2], label[:2])]
    assert len({source_fingerprint({"train": source}) for source in sources}) == len(sources)

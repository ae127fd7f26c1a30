import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from jaxcnn.data import catalog
from jaxcnn.data.read.prepared import find_prepared
from jaxcnn.data.read.sources import open_dataset
from jaxcnn.data.sets.builders import prepare
from tests.data.archives import (
    TEST,
    TRAIN,
    coarse,
    tiny_catalog,
    write_archive,
    write_pickled_cifar,
)
from tests.data.archives.errors import one_line_error
from tests.data.archives.idx import spoil_idx

NAMES = ["mnist", "fashion_mnist", "svhn", "cifar10", "cifar100", "imagenet"]


@pytest.fixture
def info(monkeypatch) -> catalog.DatasetInfo:
    return tiny_catalog(monkeypatch)


def pixels(image) -> np.ndarray:
    return image if isinstance(image, np.ndarray) else np.asarray(Image.open(io.BytesIO(image)).convert("RGB"))


def content(images, labels) -> list[tuple]:
    """Sorted, with the pixels of each; losses of the few images that are encoded anew are left out of it."""
    plain = [image if isinstance(image, np.ndarray) else pixels(image) for image in images]
    return sorted((int(label), image.shape[:2], image.tobytes()) for image, label in zip(plain, labels, strict=True))


def stock(info: catalog.DatasetInfo, folder: Path) -> dict:
    return tfds.data_source(
        info.tfds_name, data_dir=folder, download=False, decoders={"image": tfds.decode.SkipDecoding()}
    )


@pytest.mark.parametrize("name", NAMES)
def test_from_official_files_to_what_tensorflow_datasets_reads(name, monkeypatch, tmp_path, capfd):
    info = tiny_catalog(monkeypatch, name)
    official = write_archive(info, tmp_path / "official")
    place = prepare(name, source=tmp_path / "official", data_dir=tmp_path / "data")
    assert place.parent == tmp_path / "data" / info.tfds_name
    splits = stock(info, tmp_path / "data")
    assert {split: len(source) for split, source in splits.items()} == info.stored_examples(info.optional)
    for split, (images, labels) in official.items():
        records = list(splits[split])
        found = [np.asarray(Image.open(io.BytesIO(record["image"]))) for record in records]
        found = [image[..., None] if image.ndim == 2 else image for image in found]
        assert [record["label"] for record in records] != sorted(labels.tolist())  # in its own order
        if not info.encoded:
            assert content(found, [record["label"] for record in records]) == content(images, labels)
        else:
            assert sorted(record["label"] for record in records) == sorted(labels)
            np.testing.assert_array_equal(
                np.load(place / f"labels-{split}.npy"), [record["label"] for record in records]
            )
    assert not (place / "partial.json").exists()
    assert [path.name for path in (tmp_path / "data").iterdir()] == [info.tfds_name]
    assert find_prepared(info, tmp_path / "data").examples == info.stored_examples(info.optional)
    assert capfd.readouterr().out == ""


def test_cifar100_has_both_kinds_of_label(monkeypatch, tmp_path):
    info = tiny_catalog(monkeypatch, "cifar100")
    tiny_catalog(monkeypatch, "cifar100_coarse")
    write_archive(info, tmp_path / "official")
    place = prepare("cifar100_coarse", source=tmp_path / "official", data_dir=tmp_path)
    assert prepare("cifar100", source=tmp_path / "nowhere", data_dir=tmp_path) == place
    for record in stock(info, tmp_path)["train"]:
        assert record["coarse_label"] == coarse(record["label"])
    features = tfds.builder_from_directory(place).info.features
    assert tuple(features["label"].names) == catalog.CATALOG["cifar100"].class_names
    assert tuple(features["coarse_label"].names) == catalog.CATALOG["cifar100_coarse"].class_names


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_binary_files_and_pickles_give_the_same_records(name, monkeypatch, tmp_path):
    info = tiny_catalog(monkeypatch, name)
    write_archive(info, tmp_path / "binary")
    write_pickled_cifar(info, (tmp_path / "pickles").mkdir() or tmp_path / "pickles", info.examples)
    places = [
        prepare(name, source=tmp_path / kind, data_dir=tmp_path / f"data {kind}") for kind in ("binary", "pickles")
    ]
    for path in places[0].glob("*array_record*"):
        assert path.read_bytes() == (places[1] / path.name).read_bytes()


def test_the_records_of_imagenet_are_the_files_that_were_distributed(monkeypatch, tmp_path):
    info = tiny_catalog(monkeypatch, "imagenet")
    images, _ = write_archive(info, tmp_path / "official")["train"]
    prepare("imagenet2012", source=tmp_path / "official", data_dir=tmp_path)
    stored = [record["image"] for record in stock(info, tmp_path)["train"]]
    formats = [Image.open(io.BytesIO(image)).format + Image.open(io.BytesIO(image)).mode for image in images]
    kept = [image for image, kind in zip(images, formats, strict=True) if kind in ("JPEGRGB", "JPEGL")]
    assert len(kept) < len(images) == len(stored)
    assert set(kept) < set(stored)
    assert {Image.open(io.BytesIO(image)).mode for image in stored} == {"L", "RGB"}


def test_prepared_is_left_alone(info, tmp_path):
    write_archive(info, tmp_path)
    prepare("mnist", source=tmp_path, data_dir=tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    prepare("mnist", source=tmp_path / "nowhere", data_dir=tmp_path)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}


def test_svhn_without_its_extra_images(monkeypatch, tmp_path):
    info = tiny_catalog(monkeypatch, "svhn")
    write_archive(info, tmp_path, without="extra")
    place = prepare("svhn", source=tmp_path, data_dir=tmp_path)
    assert find_prepared(info, tmp_path).examples == {"train": TRAIN, "test": TEST}
    assert not (place / "partial.json").exists()


def fewer(info: catalog.DatasetInfo, split: str) -> catalog.DatasetInfo:
    return dataclasses.replace(info, examples={**info.examples, split: info.examples[split] - 5})


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_partial(name, monkeypatch, tmp_path):
    info = tiny_catalog(monkeypatch, name)
    write_archive(fewer(info, "test"), tmp_path)
    with one_line_error(rf"holds 15 of the 20 test examples of {name}: bring all of them, or give --allow-partial to"):
        prepare(name, source=tmp_path, data_dir=tmp_path / "data")
    assert not (tmp_path / "data").exists()
    place = prepare(name, source=tmp_path, data_dir=tmp_path / "data", allow_partial=True)
    parts = {"train": {"examples": 40, "of": 40}, "test": {"examples": 15, "of": 20}}
    found = find_prepared(info, tmp_path / "data")
    assert json.loads((place / "partial.json").read_text()) == found.partial == parts
    assert found.counts() == "40 train, 15 of 20 test"
    assert len(stock(info, tmp_path / "data")["test"]) == 15
    with one_line_error(r"is only a part of .* \(40 train, 15 of 20 test\): remove it to prepare it anew, or give"):
        prepare(name, source=tmp_path, data_dir=tmp_path / "data")
    assert prepare(name, source=tmp_path, data_dir=tmp_path / "data", allow_partial=True) == place


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_split_without_examples_is_left_out(split, info, tmp_path):
    write_archive(dataclasses.replace(info, examples={**info.examples, split: 0}), tmp_path)
    with one_line_error(rf"holds 0 of the {info.examples[split]} {split} examples of mnist: bring all of them"):
        prepare("mnist", source=tmp_path, data_dir=tmp_path / "data")
    prepare("mnist", source=tmp_path, data_dir=tmp_path / "data", allow_partial=True)
    found = find_prepared(info, tmp_path / "data")
    assert found.partial[split] == {"examples": 0, "of": info.examples[split]}
    assert f"0 of {info.examples[split]} {split}" in found.counts()
    with one_line_error(f"was prepared without its split {split}"):
        open_dataset("mnist", data_dir=tmp_path / "data")


def test_no_examples_at_all_are_no_part(info, tmp_path):
    write_archive(dataclasses.replace(info, examples={"train": 0, "test": 0}), tmp_path)
    with one_line_error("holds no examples of mnist$"):
        prepare("mnist", source=tmp_path, data_dir=tmp_path / "data", allow_partial=True)
    assert not (tmp_path / "data").exists()


def test_imagenet_with_the_validation_images_alone(monkeypatch, tmp_path):
    info = tiny_catalog(monkeypatch, "imagenet")
    write_archive(info, tmp_path, without="train")
    with one_line_error("does not hold ILSVRC2012_img_train.tar, which imagenet is made from"):
        prepare("imagenet", source=tmp_path, data_dir=tmp_path)
    prepare("imagenet", source=tmp_path, data_dir=tmp_path, allow_partial=True)
    found = find_prepared(info, tmp_path)
    assert found.partial == {"train": {"examples": 0, "of": TRAIN}, "validation": {"examples": TEST, "of": TEST}}
    assert found.counts() == "0 of 40 train, 20 validation"


def test_allowing_parts_marks_nothing_that_is_whole(info, tmp_path):
    write_archive(info, tmp_path)
    assert not (prepare("mnist", source=tmp_path, data_dir=tmp_path, allow_partial=True) / "partial.json").exists()


def test_nothing_is_no_part(info, tmp_path):
    with one_line_error("does not hold train-images-idx3-ubyte.gz, .*t10k-labels-idx1-ubyte.gz, which mnist is made"):
        prepare("mnist", source=tmp_path, data_dir=tmp_path, allow_partial=True)


def test_more_than_there_should_be(info, tmp_path, monkeypatch):
    write_archive(info, tmp_path)
    monkeypatch.setitem(catalog.CATALOG, "mnist", fewer(info, "test"))
    with one_line_error("holds 20 test examples, where mnist has 15"):
        prepare("mnist", source=tmp_path, data_dir=tmp_path, allow_partial=True)


@pytest.mark.parametrize(("spoil", "match"), spoil_idx())
def test_spoilt_files(spoil, match, info, tmp_path):
    official = write_archive(info, tmp_path / "official")
    spoil(tmp_path / "official" / "train-images-idx3-ubyte.gz", official["train"][0][..., 0])
    with one_line_error(match):
        prepare("mnist", source=tmp_path / "official", data_dir=tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_digits_are_not_prepared():
    with one_line_error("'digits' is installed with scikit-learn"):
        prepare("digits")


def test_images_of_another_data_set_with_the_same_names_and_shapes_are_refused(info, monkeypatch, tmp_path):
    many = dataclasses.replace(info, examples={"train": 1_000, "test": TEST})
    monkeypatch.setitem(catalog.CATALOG, "mnist", many)
    write_archive(many, tmp_path)
    with one_line_error("holds another data set than mnist: its training images have a mean of 0.500, where 0.131 was"):
        prepare("mnist", source=tmp_path, data_dir=tmp_path / "data")
    monkeypatch.setitem(catalog.CATALOG, "mnist", dataclasses.replace(many, mean=(0.51,)))
    assert prepare("mnist", source=tmp_path, data_dir=tmp_path / "data").is_dir()


def test_files_that_are_packed_otherwise_are_pointed_at(info, tmp_path):
    (tmp_path / "mnist.zip").write_bytes(b"PK")
    (tmp_path / "more.tar.xz").write_bytes(b"")
    with one_line_error("made from: perhaps mnist.zip or more.tar.xz does, which must be unpacked"):
        prepare("mnist", source=tmp_path, data_dir=tmp_path / "data")
    with one_line_error(rf"{tmp_path}/mnist.zip is a file: give the folder that holds it, or that it unpacks to, as"):
        prepare("mnist", source=tmp_path / "mnist.zip", data_dir=tmp_path / "data")

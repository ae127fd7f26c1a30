import io
import json
import pickle

import numpy as np
import pytest
import tensorflow_datasets as tfds

from jaxcnn.data import catalog
from jaxcnn.data.read import store
from jaxcnn.data.read.crops import ToSquare
from jaxcnn.data.read.hold import hold
from jaxcnn.data.read.sources import load_splits, open_dataset
from jaxcnn.data.read.store import PreparedSource
from jaxcnn.data.sets.builders import prepare
from jaxcnn.errors import UserError
from jaxcnn.train.files.predictions import file_names
from tests.data.archives import TEST, TRAIN, tiny_catalog, write_archive
from tests.data.archives.errors import one_line_error
from tests.data.photos import cropped, encoded, picture


@pytest.fixture
def info(monkeypatch) -> catalog.DatasetInfo:
    return tiny_catalog(monkeypatch)


@pytest.fixture
def place(info, tmp_path):
    """MNIST in small, prepared."""
    write_archive(info, tmp_path)
    return prepare("mnist", source=tmp_path, data_dir=tmp_path)


def test_not_prepared(info, tmp_path):
    command = f"jaxcnn prepare mnist --data-dir {tmp_path}"
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


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (cut_the_records, "is damaged .*: remove it and prepare it again"),
        (lose_the_records, "is damaged"),
        (miscount, r"is damaged \(train has 39 examples where 40 were expected\)"),
        (garble, "is damaged"),
        (other_format, "is stored as tfrecord, not array_record: prepare it in another folder"),
    ],
)
def test_damaged_data(spoil, match, place, tmp_path):
    spoil(place)
    with one_line_error(match):
        load_splits("mnist", data_dir=tmp_path)


def test_a_part_says_so(info, tmp_path, place):
    path = place / "dataset_info.json"
    path.write_text(path.read_text().replace(f'"{TEST}"', f'"{TEST - 1}"'))
    (place / "partial.json").write_text(json.dumps({"test": {"examples": TEST - 1, "of": TEST}}))
    dataset = open_dataset("mnist", data_dir=tmp_path)
    assert dataset.partial == {"test": {"examples": TEST - 1, "of": TEST}}


@pytest.mark.parametrize("held", [2**29, 0])
def test_records_are_held_where_they_are_few_and_read_elsewhere(place, monkeypatch, held):
    monkeypatch.setattr(store, "_HELD", held)
    source = PreparedSource(place, "train")
    assert np.bincount(source.labels).tolist() == [TRAIN // 10] * 10
    assert bool(source._held) == bool(held)
    moved = pickle.loads(pickle.dumps(source))
    assert not moved._held
    assert moved[TRAIN - 1] == source[TRAIN - 1]
    assert source.name(3) == f"record 3 of train in {place}"  # whose end, the version, is no file's
    assert file_names(source, [3]).tolist() == [""]
    assert (place / "labels-train.npy").is_file() == (not held)


def test_labels_beside_the_records_are_taken(place):
    true = PreparedSource(place, "train").labels
    np.save(place / "labels-train.npy", np.arange(TRAIN, dtype=np.int32))
    assert PreparedSource(place, "train").labels.tolist() == list(range(TRAIN))
    np.save(place / "labels-train.npy", np.arange(TRAIN - 1, dtype=np.int32))
    np.testing.assert_array_equal(PreparedSource(place, "train").labels, true)


class Leaves(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A data set of tensorflow-datasets that our catalog does not have: photographs of several sizes."""

    VERSION = tfds.core.Version("1.2.3")
    SPLITS = ("train", "validation")
    LABELS = ("kind",)
    SECRET = ()  # splits that have no labels
    CHANNELS, FORMAT = 3, "jpeg"
    SHAPE = (None, None)
    KINDS = 3  # that occur

    def _info(self):
        labels = {name: tfds.features.ClassLabel(names=["oak", "elm", "ash"]) for name in self.LABELS}
        image = tfds.features.Image(shape=(*self.SHAPE, self.CHANNELS), encoding_format=self.FORMAT)
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict({"photo": image, "tree": tfds.features.Text(), **labels})
        )

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in self.SPLITS}

    def _generate_examples(self, split):
        for number in range({"train": 30, "validation": 9, "test": 6}[split]):
            label = -1 if split in self.SECRET else number % self.KINDS
            photo = io.BytesIO(self.photo(number))
            yield number, {"photo": photo, "tree": str(number), **dict.fromkeys(self.LABELS, label)}

    def photo(self, number):
        return encoded(picture(number, 30 + number % 4, 40), quality=95)


class WithTest(Leaves, skip_registration=True):
    SPLITS = ("train", "validation", "test")


class TwoLabels(Leaves, skip_registration=True):
    LABELS = ("kind", "age")


class Panoramas(WithTest, skip_registration=True):
    SHAPE = (12, 40)

    def photo(self, number):
        return encoded(picture(number, *self.SHAPE), quality=95)


class OneKind(Leaves, skip_registration=True):
    KINDS = 1


class SecretTest(WithTest, skip_registration=True):
    SECRET = ("test",)


class SecretTrain(Leaves, skip_registration=True):
    SECRET = ("train",)


class Transparent(Leaves, skip_registration=True):
    CHANNELS, FORMAT = 4, "png"

    def photo(self, number):
        image = picture(number)
        return encoded(np.concatenate([image, image[..., :1]], axis=-1), "PNG")


class TestOnly(Leaves, skip_registration=True):
    __test__ = False
    SPLITS = ("test",)


def write(builder_class, folder, name="leaves"):
    builder = builder_class(data_dir=folder, file_format="array_record")
    builder.download_and_prepare()
    (folder / builder.name).rename(folder / name)


def test_any_set_of_tensorflow_datasets(tmp_path, capfd):
    write(Leaves, tmp_path)
    dataset = open_dataset("leaves", data_dir=tmp_path)
    assert dataset.class_names == ("oak", "elm", "ash")
    assert dataset.shape == (None, None, 3)
    assert (dataset.image_size, dataset.square().fraction) == (224, 0.875)
    assert dataset.sizes == {"train": 27, "val": 3, "test": 9}
    crop = ToSquare(16, 3, 0.875)
    split = hold(dataset.sources["test"], crop).split
    expected = {bytes(cropped(crop, encoded(picture(number, 30 + number % 4, 40), quality=95))) for number in range(9)}
    assert {bytes(image) for image in split.image} == expected


def test_a_validation_and_a_test_split_of_their_own(tmp_path, capfd):
    write(WithTest, tmp_path)
    assert open_dataset("leaves", data_dir=tmp_path).sizes == {"train": 30, "val": 9, "test": 6}
    assert open_dataset("leaves", data_dir=tmp_path, validation=6).sizes == {"train": 24, "val": 6, "test": 6}


def test_images_of_one_size_that_are_not_square(tmp_path, capfd):
    write(Panoramas, tmp_path)
    dataset = open_dataset("leaves", data_dir=tmp_path)
    assert (dataset.shape, dataset.alike, dataset.dir) == ((12, 40, 3), True, str(tmp_path / "leaves" / "1.2.3"))
    assert (dataset.square(), dataset.square(fit="pad")) == (ToSquare(12, 3), ToSquare(40, 3, fit="pad"))
    whole = load_splits("leaves", data_dir=tmp_path, fit="pad")["test"].image
    assert whole[:, 14:26].any((1, 2, 3)).all()
    assert not whole[:, :14].any()


def test_a_set_of_one_class_is_refused(tmp_path, capfd):
    write(OneKind, tmp_path)
    with pytest.raises(UserError, match=r"^leaves: every training example has the label 0 \(oak\): a net needs two"):
        open_dataset("leaves", data_dir=tmp_path)


def test_a_split_without_labels_is_left_out_and_named(tmp_path, capfd):
    write(SecretTest, tmp_path)
    dataset = open_dataset("leaves", data_dir=tmp_path)
    assert dataset.sizes == {"train": 27, "val": 3, "test": 9}  # the test split is the validation split as distributed
    assert dataset.unlabelled == ("test",)
    assert open_dataset("leaves", data_dir=tmp_path, test=6, validation=3).sizes == {"train": 21, "val": 3, "test": 6}


def test_transparency_is_dropped(tmp_path, capfd):
    write(Transparent, tmp_path)
    dataset = open_dataset("leaves", data_dir=tmp_path)
    assert dataset.shape == (None, None, 3)
    crop = ToSquare(16, 3, 0.875)
    images = hold(dataset.sources["test"], crop).split.image
    expected = {bytes(cropped(crop, picture(number))) for number in range(9)}
    assert {bytes(image) for image in images} == expected


@pytest.mark.parametrize(
    ("builder", "says"),
    [
        (TwoLabels, "has 2 features ClassLabel: it must have one, or one 'label'"),
        (TestOnly, "has no split train"),
        (SecretTrain, "has no labels in its split train: all are -1"),
    ],
)
def test_sets_that_will_not_do(builder, says, tmp_path, capfd):
    write(builder, tmp_path)
    with one_line_error(f"data set 'leaves' .*{says}"):
        open_dataset("leaves", data_dir=tmp_path)


def test_damage_to_any_set_is_one_line(tmp_path, capfd):
    write(Leaves, tmp_path)
    path = next((tmp_path / "leaves" / "1.2.3").glob("*train*"))
    path.write_bytes(path.read_bytes()[:-1000])
    with one_line_error("data set 'leaves' in .* is damaged .*: remove it and prepare it again"):
        open_dataset("leaves", data_dir=tmp_path)


def test_a_name_that_nothing_has(tmp_path):
    with pytest.raises(UserError, match=r"^unknown data set 'cifar': did you mean cifar10.*; nor is one prepared in"):
        open_dataset("cifar", data_dir=tmp_path)


def test_a_folder_in_the_place_of_a_name_is_told_how_folders_are_named(tmp_path, memory):
    for name in (str(tmp_path), "s3://box/photos"):
        with one_line_error(f"data.name is {name}: images there are named by data.name=folder and data.dir={name}"):
            open_dataset(name, data_dir=tmp_path)

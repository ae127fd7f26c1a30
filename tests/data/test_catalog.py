import numpy as np
import pytest
import tensorflow_datasets as tfds

from jaxcnn.data.catalog import CATALOG, dataset_info
from jaxcnn.data.catalog.imagenet import SYNSETS
from jaxcnn.data.read.crops import ToSquare
from jaxcnn.data.read.hold import hold
from jaxcnn.data.read.measure import channel_statistics
from jaxcnn.data.read.prepared import find_prepared
from jaxcnn.data.read.sources import load_splits
from jaxcnn.data.read.store import open_prepared
from jaxcnn.data.sets.archives import READERS
from jaxcnn.errors import UserError

PUBLISHED = {  # mean and std of the training images as they are generally quoted, e.g. in torchvision's references
    "mnist": ((0.1307,), (0.3081,)),
    "fashion_mnist": ((0.2860,), (0.3530,)),
    "svhn": ((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970)),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "cifar100_coarse": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


@pytest.mark.parametrize("name", CATALOG)
def test_entries_are_complete(name):
    info = dataset_info(name)
    assert info.name == name
    assert set(info.examples) == {"train", "test"}
    assert 0 < info.validation < info.examples["train"]
    assert info.num_classes == len(set(info.class_names))
    assert info.archive is None or info.archive in READERS
    assert len(info.mean) == len(info.std) == info.shape[-1]
    assert all((info.title, info.licence, info.citation, info.homepage, info.statistics))


@pytest.mark.parametrize("name", PUBLISHED)
def test_figures_of_the_catalog_are_the_published_ones(name):
    info = dataset_info(name)
    np.testing.assert_allclose((info.mean, info.std), PUBLISHED[name], atol=5e-5)
    assert info.statistics == "computed" or info.statistics.startswith("published: ")


def test_statistics_of_digits_are_those_of_its_training_images():
    splits = load_splits("digits", image_size=8)
    image = np.concatenate([splits["train"].image, splits["val"].image])
    assert len(image) == CATALOG["digits"].examples["train"]
    expected = CATALOG["digits"].mean, CATALOG["digits"].std
    np.testing.assert_allclose(channel_statistics(image), expected, atol=5e-5)
    np.testing.assert_allclose(((image / 255).mean(), (image / 255).std()), np.ravel(expected), atol=5e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in PUBLISHED if CATALOG[name].statistics == "computed"])
def test_statistics_of_real_images_are_the_published_ones(name):
    """Needs the data set prepared in $TFDS_DATA_DIR."""
    info = dataset_info(name)
    if find_prepared(info) is None:
        pytest.skip(f"{name} is not prepared")
    source = open_prepared(info)[0]["train"]
    assert len(source.labels) == info.examples["train"]
    image = hold(source, ToSquare(info.image_size, info.shape[-1])).split.image
    np.testing.assert_allclose(channel_statistics(image), PUBLISHED[name], atol=1e-4)


@pytest.mark.parametrize("name", [name for name, info in CATALOG.items() if info.files])
def test_files_are_the_ones_that_tensorflow_datasets_knows(name):
    registered = tfds.builder_cls(dataset_info(name).tfds_name).url_infos
    ours = {file.url: file.sha256 for file in dataset_info(name).files.values()}
    theirs = {url: published.checksum for url, published in registered.items() if "extra" not in url}
    assert ours == theirs


@pytest.mark.parametrize("name", [name for name, info in CATALOG.items() if info.archive])
def test_features_are_those_of_tensorflow_datasets(name, tmp_path):
    info = dataset_info(name)
    features = tfds.builder(info.tfds_name, data_dir=tmp_path).info.features
    assert features["image"].shape == info.shape
    assert features[info.label_key].num_classes == info.num_classes


def test_classes_are_those_of_tensorflow_datasets(tmp_path):
    fashion, imagenet = (
        tfds.builder(name, data_dir=tmp_path).info.features["label"].names for name in ("fashion_mnist", "imagenet2012")
    )
    assert CATALOG["fashion_mnist"].class_names == tuple(fashion)
    assert tuple(imagenet) == SYNSETS


def test_imagenet_has_the_words_that_go_with_its_synsets():
    names = dict(zip(SYNSETS, CATALOG["imagenet"].class_names, strict=True))
    assert names["n01440764"] == "tench"
    assert names["n15075141"] == "toilet tissue"
    assert [name for name in names.values() if name.startswith("crane")] == ["crane n02012849", "crane n03126707"]


def test_fine_and_coarse_classes_of_cifar100():
    fine, coarse = CATALOG["cifar100"], CATALOG["cifar100_coarse"]
    assert (fine.num_classes, coarse.num_classes) == (100, 20)
    assert (fine.class_names[0], fine.class_names[-1]) == ("apple", "worm")
    assert (coarse.class_names[0], coarse.class_names[-1]) == ("aquatic_mammals", "vehicles_2")
    assert sorted(fine.class_names) == list(fine.class_names)
    assert sorted(coarse.class_names) == list(coarse.class_names)


@pytest.mark.parametrize(("word", "name"), [("svhn_cropped", "svhn"), ("imagenet2012", "imagenet"), ("cifar100",) * 2])
def test_names_of_tensorflow_datasets_will_do(word, name):
    assert dataset_info(word).name == name


def test_unknown_name():
    with pytest.raises(UserError, match=r"^unknown data set 'fashion-mnist': did you mean fashion_mnist"):
        dataset_info("fashion-mnist")

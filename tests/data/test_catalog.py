import pytest
import tensorflow_datasets as tfds

from jaxcnn.data.builders import READERS
from jaxcnn.data.catalog import CATALOG, dataset_info
from jaxcnn.errors import UserError


@pytest.mark.parametrize("name", CATALOG)
def test_entries_are_complete(name):
    info = dataset_info(name)
    assert info.name == name
    assert set(info.examples) == {"train", "test"}
    assert 0 < info.validation < info.examples["train"]
    assert info.num_classes == len(set(info.class_names))
    assert info.archive is None or info.archive in READERS


@pytest.mark.parametrize("name", [name for name, info in CATALOG.items() if info.archive])
def test_files_are_the_ones_that_tensorflow_datasets_knows(name):
    registered = tfds.builder_cls(name).url_infos
    assert {file.url: file.sha256 for file in CATALOG[name].files.values()} == {
        url: published.checksum for url, published in registered.items()
    }


def test_fashion_mnist_classes_are_those_of_tensorflow_datasets(tmp_path):
    names = tfds.builder_cls("fashion_mnist")(data_dir=tmp_path).info.features["label"].names
    assert CATALOG["fashion_mnist"].class_names == tuple(names)


def test_unknown_name():
    with pytest.raises(UserError, match=r"^unknown data set 'fashion-mnist': did you mean fashion_mnist"):
        dataset_info("fashion-mnist")

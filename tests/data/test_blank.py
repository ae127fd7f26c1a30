import pytest

from jaxcnn.data.catalog import CATALOG
from jaxcnn.data.read.blank import blank_dataset
from jaxcnn.data.read.sources import open_dataset
from jaxcnn.errors import UserError


def test_what_is_known_is_that_of_the_data_set_itself():
    blank, real = blank_dataset("digits"), open_dataset("digits")
    for fact in ("name", "class_names", "shape", "image_size", "mean", "std", "sizes"):
        assert getattr(blank, fact) == getattr(real, fact)
    assert {split: source[0].shape for split, source in blank.sources.items()} == dict.fromkeys(real.sizes, (8, 8, 1))


def test_imagenet_in_its_size_and_all_its_classes():
    blank = blank_dataset("imagenet", seed=3)
    assert blank.sizes == {"train": 1_271_167, "val": 10_000, "test": 50_000}
    labels = blank.sources["train"].labels
    assert (labels.min(), labels.max()) == (0, 999)
    assert blank.sources["train"][7].shape == (1, 1, 3)


def test_the_validation_part_can_be_chosen():
    train = CATALOG["cifar10"].examples["train"]
    assert blank_dataset("cifar10", validation=500).sizes["train"] == train - 500


def test_an_unknown_name_gets_one_line():
    with pytest.raises(UserError, match="did you mean cifar10"):
        blank_dataset("cifar11")

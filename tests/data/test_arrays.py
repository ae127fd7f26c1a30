"""Data sets made of what research code has in memory."""

import numpy as np
import pytest

from jaxcnn.data.read.labels import MOST_CLASSES, as_whole
from jaxcnn.data.read.sources import array_dataset
from jaxcnn.errors import UserError
from tests.data.photos import encoded, picture

IMAGES = np.random.RandomState(0).randint(0, 256, (8, 6, 5, 3)).astype(np.uint8)
LABELS = np.arange(8) % 3


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int64, np.uint64, np.float32, np.float64])
def test_whole_numbers_of_any_kind(dtype):
    found = as_whole("train", np.array([3, 0, 7], dtype))
    assert (found.tolist(), found.dtype) == ([3, 0, 7], np.int32)


@pytest.mark.parametrize("label", [2**31, -(2**31) - 1, 2**63, 2**32 + 1, -(2**63), 1e300, np.inf, -np.inf, 0.1])
def test_labels_that_32_bits_do_not_hold(label):
    with pytest.raises(
        UserError, match=r"^train: the label of image 1 is [^\n]*: it must be (a whole|from 0 to 99999)"
    ):
        as_whole("train", [0, label])


@pytest.mark.parametrize(("label", "classes"), [(2, 3), (MOST_CLASSES - 1, MOST_CLASSES)])
def test_as_many_classes_as_the_largest_label_says(label, classes):
    data = {"train": (IMAGES, LABELS), "test": (IMAGES[:1], [label])}
    assert len(array_dataset(data).class_names) == classes


def test_classes_may_have_names():
    data = {"train": (IMAGES, LABELS), "test": (IMAGES, LABELS)}
    assert array_dataset(data).class_names == ("0", "1", "2")
    named = array_dataset({**data, "class_names": ["ant", "bee", "wasp", "fly"]})
    assert named.class_names == ("ant", "bee", "wasp", "fly")
    for names in (["ant", "bee"], ["ant"] * 3, "ant", [], [0, 1, 2]):
        with pytest.raises(
            UserError, match=r"^class_names |^arrays, train: the label of image 2 is 2: labels are 0 to 1$"
        ):
            array_dataset({**data, "class_names": names})


@pytest.mark.parametrize("label", [MOST_CLASSES, 10**9, 2**31 - 1, -1])
def test_a_label_gone_wrong_makes_no_classes(label):
    data = {"train": (IMAGES, LABELS), "test": (IMAGES[:2], [0, label])}
    with pytest.raises(UserError, match=rf"^arrays, test: the label of image 1 is {label}: labels are 0 to 99999$"):
        array_dataset(data)


def test_grey_is_not_made_of_colour_in_silence():
    with pytest.raises(UserError, match=r"^arrays, test: the images are in colour, where those of train are grey$"):
        array_dataset({"train": (IMAGES[..., :1], LABELS), "test": (IMAGES, LABELS)})
    assert array_dataset({"train": (IMAGES, LABELS), "test": (IMAGES[..., 0], LABELS)}).shape == (6, 5, 3)


def test_splits_of_other_sizes_are_not_alike():
    assert array_dataset({"train": (IMAGES, LABELS), "test": (IMAGES, LABELS)}).alike
    assert array_dataset({"train": (IMAGES[..., :1].repeat(3, -1), LABELS), "test": (IMAGES[..., :1], LABELS)}).alike
    assert not array_dataset({"train": (IMAGES, LABELS), "test": (IMAGES[:, :4], LABELS)}).alike
    assert not array_dataset({"train": (IMAGES, LABELS), "test": list(zip(IMAGES, LABELS, strict=True))}).alike


@pytest.mark.parametrize(
    ("train", "shape", "size", "fraction"),
    [
        ((IMAGES, LABELS), (6, 5, 3), 5, 1),
        ((np.zeros((8, 300, 400), np.uint8), LABELS), (300, 400, 1), 300, 1),
        (list(zip(IMAGES, LABELS, strict=True)), (6, 5, 3), 5, 1),
        (list(zip(IMAGES[..., 0], LABELS, strict=True)), (6, 5, 1), 5, 1),
        ([(encoded(picture(0), "PNG"), label) for label in LABELS], (40, 56, 3), 40, 1),
        ([(picture(0, 224, 300), label) for label in LABELS], (224, 300, 3), 224, 1),
        ([(picture(0, 240, 300), label) for label in LABELS], (None, None, 3), 224, 0.875),
        ([(b"gone", label) for label in LABELS], (None, None, 3), 224, 0.875),
    ],
)
def test_the_first_image_says_what_a_network_sees(train, shape, size, fraction):
    dataset = array_dataset({"train": train}, test=0.25)
    assert (dataset.shape, dataset.image_size, dataset.square().fraction) == (shape, size, fraction)

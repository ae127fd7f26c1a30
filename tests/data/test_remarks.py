"""What is said of data: the part of an image that is seen, labels that nobody has, splits that are too small."""

import numpy as np
import pytest

from jaxcnn.data.read.crops import ToSquare
from jaxcnn.data.read.remarks import of_labels, of_sizes, of_view
from jaxcnn.data.read.sources import array_dataset, load_splits
from jaxcnn.errors import UserError
from tests.data.photos import picture

WAYS = "is seen (data.fit = crop): pad or stretch shows all of it"


@pytest.mark.parametrize(
    ("shape", "fit", "fraction", "alike", "says"),
    [
        ((32, 32, 3), "crop", 1.0, True, ""),
        ((32, 32, 3), "pad", 1.0, True, ""),
        ((32, 32, 3), "crop", 0.875, True, "of images of 32x32 the middle 28x28 is seen (data.crop_fraction)"),
        ((32, 32, 3), "crop", 1.0, False, f"of each image the middle square {WAYS}"),
        ((12, 40, 3), "crop", 1.0, True, f"of images of 12x40 the middle 12x12 {WAYS}"),
        ((40, 12, 1), "crop", 0.5, True, f"of images of 40x12 the middle 6x6 {WAYS}"),
        ((None, None, 3), "crop", 1.0, True, f"of each image the middle square {WAYS}"),
        ((None, None, 3), "crop", 0.875, True, f"of each image the middle square, 87.5 % of the short side, {WAYS}"),
        ((12, 40, 3), "pad", 1.0, True, "of images of 12x40 all is seen, made square by black bars (data.fit = pad)"),
        ((None, None, 3), "stretch", 1.0, True, "of each image all is seen, stretched to squares (data.fit = stretch)"),
        (
            *((None, None, 3), "stretch", 0.875, True),
            "of each image the middle 87.5 % of each side (data.crop_fraction) is seen, stretched to squares "
            "(data.fit = stretch)",
        ),
    ],
)
def test_which_part_of_an_image_is_seen(shape, fit, fraction, alike, says):
    assert of_view(ToSquare(224, 3, fraction, fit), shape, alike=alike) == says


def remarks(train, test=None, **more):
    def split(labels):
        return np.zeros((len(labels), 4, 4), np.uint8), np.array(labels)

    dataset = array_dataset({"train": split(train), "test": split(test or train), **more}, validation=2)
    return of_labels({split: source.labels for split, source in dataset.sources.items()}, dataset.class_names)


@pytest.mark.parametrize(
    ("train", "test", "says"),
    [
        ([0, 1, 2] * 9, None, ()),
        ([1, 2, 3, 4] * 9, None, ("1 of 5 outputs have no example: 0 (labels are 1 to 4: subtract 1 from them)",)),
        (
            *([0, 5000] * 9, None),
            (
                "4,999 of 5,001 outputs have no example: 1, 2, 3, 4, 5, ... (2 labels occur: number them 0 to 1, "
                "as np.unique's return_inverse does)",
            ),
        ),
        (
            *([0, 1] * 9, [0, 1, 3]),
            (
                "1 of 4 outputs have no example: 2 (3 labels occur: number them 0 to 2, as np.unique's return_inverse "
                "does)",
                "no training example has label 3, but 1 of val and test have: it is not learnt",
            ),
        ),
        ([0, 1, 2] * 9, [0, 0, 1], ("test has no example of 1 of 3 classes: 2",)),
    ],
)
def test_labels_that_nobody_has(train, test, says):
    assert tuple(remarks(train, test)) == says


def test_classes_that_have_names_are_named():
    found = remarks([0, 2] * 9, class_names=["ant", "bee", "fly", "moth"])
    assert found == ["2 of 4 outputs have no example: bee, moth"]


def test_a_class_that_the_cut_has_taken_away():
    labels = {"train": np.array([0, 1, 0, 1]), "val": np.array([2, 0]), "test": np.array([0, 1, 2])}
    says = "no training example has label wasp, but 2 of val and test have: it is not learnt"
    assert of_labels(labels, ["ant", "bee", "wasp"]) == [says]


@pytest.mark.parametrize("label", [0, 1, 7])
def test_one_class_is_refused(label):
    with pytest.raises(UserError, match=f"^arrays: every training example has the label {label}: a net needs two"):
        remarks([label] * 20, [0, 1, 2])


@pytest.mark.parametrize(
    ("val", "points"), [(1, 50), (5, 44), (43, 15), (96, 10), (97, None), (180, None), (10_000, None)]
)
def test_a_split_that_is_too_small_to_tell_anything(val, points):
    found = of_sizes({"train": 1000, "val": val, "test": 1000})
    examples = "1 example" if val == 1 else f"{val} examples"
    says = f"val has {examples}: an accuracy of 50 % there is only sure to {points} points either way (95 %)"
    assert found == ([] if points is None else [says])


def test_the_interval_is_that_of_a_coin():
    shares = np.random.RandomState(0).binomial(43, 0.5, 100_000) / 43
    low, high = np.quantile(shares, [0.025, 0.975])
    assert (high - low) / 2 == pytest.approx(0.15, abs=0.015)


@pytest.mark.parametrize(("fit", "size"), [("crop", 12), ("pad", 40), ("stretch", 40)])
def test_what_is_seen_whole_keeps_its_longer_side(fit, size):
    images = np.zeros((6, 12, 40), np.uint8)
    dataset = array_dataset({"train": (images, [0, 1] * 3), "test": (images, [0, 1] * 3)}, validation=2)
    assert dataset.square(fit=fit) == ToSquare(size, 1, 1.0, fit)
    assert dataset.square(20, 0.5, fit) == ToSquare(20, 1, 0.5, fit)


@pytest.mark.parametrize(("fit", "fraction"), [("crop", 0.875), ("pad", 1.0), ("stretch", 1.0)])
def test_photographs_have_the_size_of_the_model(fit, fraction):
    pairs = [(picture(label, 240, 300), label % 2) for label in range(6)]
    dataset = array_dataset({"train": pairs, "test": pairs}, validation=2)
    assert dataset.square(fit=fit, photograph=32) == ToSquare(32, 3, fraction, fit)
    assert dataset.square(fit=fit) == ToSquare(224, 3, fraction, fit)


def test_splits_are_loaded_whole_too():
    with pytest.raises(UserError, match=r"^unknown fit 'padd': did you mean pad"):
        load_splits("digits", fit="padd")


SPLIT = np.zeros((40, 4, 4), np.uint8), np.arange(40) % 2
BECAME_TEST = "there is no test split: val is the test split, and examples are cut off train for validation"
LEFT_OUT = "val is left out: data.validation cuts other examples off train"


@pytest.mark.parametrize(
    ("splits", "asked", "says"),
    [
        ({"train"}, {"test": 0.2}, ()),
        ({"train", "test"}, {}, ()),
        ({"train", "val"}, {}, (BECAME_TEST,)),
        ({"train", "val"}, {"validation": 0.2}, (BECAME_TEST,)),
        ({"train", "val"}, {"test": 0.2}, ()),
        ({"train", "val"}, {"test": 0.2, "validation": 0.2}, (LEFT_OUT,)),
        ({"train", "val", "test"}, {}, ()),
        ({"train", "val", "test"}, {"validation": 0.2}, (LEFT_OUT,)),
    ],
)
def test_what_becomes_of_val_is_said(splits, asked, says):
    assert array_dataset(dict.fromkeys(splits, SPLIT), **asked).remarks == says

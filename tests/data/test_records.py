import pickle

import numpy as np
import pytest

from jaxcnn.data.read.crops import ToSquare
from jaxcnn.data.read.hold import hold
from jaxcnn.data.read.records import ArraySource, PairSource, Subset, check_labels, make_source
from jaxcnn.errors import UserError
from tests.data.photos import cropped, encoded, picture

IMAGES = np.random.RandomState(0).randint(0, 256, (6, 5, 4, 3)).astype(np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])


class Pairs:
    """A random-access source of research code."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


def test_a_pair_of_arrays():
    for data in ((IMAGES, LABELS), [IMAGES, LABELS.tolist()]):
        source = make_source("train", data)
        assert isinstance(source, ArraySource)
        np.testing.assert_array_equal(source[3], IMAGES[3])
        np.testing.assert_array_equal(source.labels, LABELS)
        assert source.labels.dtype == np.int32
    assert make_source("train", (IMAGES[..., 0], LABELS))[0].shape == (5, 4, 1)


def test_any_random_access_source():
    items = [(picture(0), 1), (encoded(picture(1), "PNG"), 0), (IMAGES[0, ..., 0], 2)]
    source = make_source("train", Pairs(items))
    assert isinstance(source, PairSource)
    np.testing.assert_array_equal(source.labels, [1, 0, 2])
    found = hold(source, ToSquare(4, 3)).split
    np.testing.assert_array_equal(found.image[1], cropped(ToSquare(4, 3), picture(1)))
    assert found.image.shape == (3, 4, 4, 3)
    labelled = Pairs(items)
    labelled.labels = [1, 1, 1]
    np.testing.assert_array_equal(make_source("train", labelled).labels, [1, 1, 1])


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_list_of_examples_however_many(number):
    items = [(IMAGES[index], index) for index in range(number)]
    for data in (items, tuple(items), [list(item) for item in items]):
        source = make_source("train", data)
        assert isinstance(source, PairSource)
        np.testing.assert_array_equal(source[number - 1], IMAGES[number - 1])
        assert source.labels.tolist() == list(range(number))
    for data in ((IMAGES[:2], (1, 0)), [list(IMAGES[:2]), np.array([1, 0])], [tuple(IMAGES[:2]), [1, 0]]):
        source = make_source("train", data)
        assert isinstance(source, ArraySource)
        assert source.labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("image", "shape"),
    [
        (IMAGES[0], (5, 4, 3)),
        (IMAGES[0, ..., 0], (5, 4, 1)),
        (encoded(picture(0), "PNG"), (40, 56, 3)),
        (encoded(picture(0)[..., 0], "PNG"), (40, 56, 3)),
    ],
)
def test_the_first_image_that_can_be_read_says_the_shape(image, shape):
    source = make_source("train", Pairs([(b"gone", 0), (IMAGES[0, :0], 0), (image, 1), (picture(0), 1)]))
    assert source.shape == shape
    assert make_source("train", Pairs([(b"gone", 0)] * 3)).shape is None


def test_images_that_will_not_do_name_themselves():
    crop = ToSquare(4, 1)
    for image, says in (
        (IMAGES[1, :0], r"uint8 \(0, 4, 3\), not bytes"),
        (IMAGES[1], "it is in colour, where the first image is grey"),
        (np.zeros((1, 2**22, 1), np.uint8), "4,194,304 x 1 pixels are too long to be resized"),
    ):
        source = make_source("train", Pairs([(IMAGES[0, ..., :1], 0), (image, 1)]))
        with pytest.raises(UserError, match=rf"^image 1 cannot be read: {says}"):
            hold(source, ToSquare(32, 1) if image.size > 2**20 else crop)


def test_a_subset_copies_no_image():
    source = Subset(make_source("train", (IMAGES, LABELS)), np.array([4, 2]))
    np.testing.assert_array_equal(source.labels, [1, 2])
    assert np.shares_memory(source[1], IMAGES) or np.array_equal(source[1], IMAGES[2])
    assert source.name(0) == "image 4"
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(source))[0], IMAGES[4])


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ((IMAGES.astype(np.float32), LABELS), r"images are float32 \(6, 5, 4, 3\): they must be uint8"),
        ((IMAGES[..., :2], LABELS), r"images are uint8 \(6, 5, 4, 2\)"),
        ((IMAGES[:, :0], LABELS), r"images are uint8 \(6, 0, 4, 3\): they must be"),
        (([*IMAGES, IMAGES[0, :2]], LABELS), "images differ in shape: make them alike"),
        ((IMAGES, LABELS[:5]), r"labels are \(5,\) for 6 images: they must be one whole number each"),
        ((IMAGES, LABELS[:, None]), r"labels are \(6, 1\) for 6 images: .* as labels.reshape\(-1\) makes them$"),
        ((IMAGES, np.eye(6)), r"labels are \(6, 6\) for 6 images: .* as labels.argmax\(1\) makes them$"),
        ((IMAGES, np.eye(6) / 2), "the label of image 0 is 0.5: it must be a whole number$"),
        ((IMAGES, LABELS > 0), r"labels are bool: they must be whole numbers, as labels.astype\(int\) makes them$"),
        ((IMAGES, [[0], [1, 2], [0], [1], [2], [0]]), "labels differ in shape"),
        ((IMAGES, LABELS * 0.5), "the label of image 1 is 0.5: it must be a whole number$"),
        ((IMAGES, [*LABELS[:3], 2**32, 0, 0]), "the label of image 3 is 4294967296: it must"),
        ((IMAGES, np.array([0, 1, np.nan, 0, 1, 0])), "the label of image 2 is nan"),
        ((IMAGES, ["ant", "bee"] * 3), "labels are <U3: they must be whole numbers, as names, labels = np.unique"),
        ((IMAGES, np.array(["ant", "bee"] * 3, object)), "labels are object: .* as names, labels = np.unique"),
        ((IMAGES, [None] * 6), "labels are object: they must be whole numbers$"),
        ({"image": IMAGES, "label": LABELS}, r"must be \(images, labels\), or have a length"),
        ([{"image": IMAGES[0], "label": 0}] * 3, r"\[0\] is of type dict: it must be \(image, label\)$"),
        (IMAGES, r"\[0\] is of type ndarray: it must be"),
        ([(IMAGES[0], 0), (IMAGES[1], 1), IMAGES[2]], r"\[2\] is of type ndarray"),
        ([(IMAGES[0], 0), (IMAGES[1], 1), (IMAGES[2], 0.5)], "the label of image 2 is 0.5"),
        ("photos", r"\[0\] is of type str"),
        (17, r"must be \(images, labels\), or have a length"),
    ],
)
def test_other_data_is_refused_in_a_line(data, says):
    with pytest.raises(UserError, match=f"^train.*{says}"):
        make_source("train", data)


def test_an_item_that_is_no_image_names_itself():
    source = make_source("train", Pairs([(IMAGES[0] / 255, 0)]))
    with pytest.raises(UserError, match=r"^image 0 cannot be read: float64 \(5, 4, 3\), not bytes"):
        hold(source, ToSquare(4, 3))


def test_labels_out_of_range():
    source = make_source("train", (IMAGES, LABELS))
    check_labels("train", source, 3)
    with pytest.raises(UserError, match=r"^train: the label of image 2 is 2: labels are 0 to 1$"):
        check_labels("train", source, 2)
    with pytest.raises(UserError, match="the label of image 0 is -1"):
        check_labels("train", make_source("train", (IMAGES, LABELS - 1)), 2)
    with pytest.raises(UserError, match="holds no examples"):
        check_labels("train", make_source("train", (IMAGES[:0], LABELS[:0])), 2)


def broken() -> PairSource:
    """Six images, of which the second and the last cannot be read."""
    items = [(encoded(picture(number), "PNG"), number) for number in range(6)]
    items[1] = items[1][0][:50], 1
    items[5] = b"", 5
    return make_source("train", Pairs(items))


def test_what_cannot_be_read_is_named():
    with pytest.raises(UserError, match=r"^image [15] cannot be read: .* \(data.on_error = 'skip' leaves"):
        hold(broken(), ToSquare(8, 3))


def test_what_cannot_be_read_is_left_out_or_stood_in_for():
    crop = ToSquare(8, 3)
    found = hold(broken(), crop, skip=True)
    assert found.split.label.tolist() == [0, 2, 3, 4]
    assert found.skipped == {"image 1", "image 5"}
    stood_in = hold(broken(), crop, skip=True, stand_in=True)
    assert stood_in.split.label.tolist() == [0, 2, 2, 3, 4, 0]
    np.testing.assert_array_equal(stood_in.split.image[5], cropped(crop, picture(0)))
    assert stood_in.skipped == found.skipped
    with pytest.raises(UserError, match="none of the 2 images can be read, image 1 being the first"):
        hold(Subset(broken(), np.array([1, 5])), crop, skip=True)

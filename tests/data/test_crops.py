import numpy as np
import pytest
from PIL import Image

from jaxcnn.data.feed.batches import CropDraws
from jaxcnn.data.read.crops import DRAWS, FITS, RandomResizedCrop, ToSquare
from tests.data.photos import cropped, encoded, picture


@pytest.mark.parametrize(("height", "width"), [(40, 56), (56, 40), (37, 91), (24, 24), (10, 12)])
@pytest.mark.parametrize("fraction", [0.875, 1.0])
def test_centre_crop_is_resize_then_crop(height, width, fraction):
    image = picture(1, height, width)
    short = round(24 / fraction)
    size = (short, short * height // width) if width < height else (short * width // height, short)
    resized = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
    top, left = round((size[1] - 24) / 2), round((size[0] - 24) / 2)
    found = cropped(ToSquare(24, 3, fraction), encoded(image, "PNG"))
    np.testing.assert_array_equal(found, resized[top : top + 24, left : left + 24])


def test_a_square_is_resized_bilinear_and_antialiased():
    image = np.random.RandomState(0).randint(0, 256, (8, 8, 3)).astype(np.uint8)
    np.testing.assert_array_equal(cropped(ToSquare(8, 3), image), image)
    # Twice as large: every second pixel is 3/4 of one neighbour and 1/4 of the other, in both directions.
    weights = np.array([[0.25, 0.75], [0.75, 0.25]])
    inner = np.einsum("ai,bj,ijc->abc", weights, weights, image[2:4, 2:4].astype(np.float64))[::-1, ::-1]
    np.testing.assert_allclose(cropped(ToSquare(16, 3), image)[5:7, 5:7], inner, atol=1)
    # Half as large: every pixel counts.
    dot = np.zeros((8, 8, 1), np.uint8)
    dot[3, 3] = 255
    assert np.count_nonzero(cropped(ToSquare(4, 1), dot)) >= 4


LONG = np.zeros((4, 16, 3), np.uint8)
LONG[:, :4, 0], LONG[:, -4:, 1], LONG[:, 4:12, 2] = 255, 255, 255  # red and green ends, blue between


@pytest.mark.parametrize("turned", [False, True])
def test_images_that_are_not_square_keep_the_middle_or_all(turned):
    image = LONG.swapaxes(0, 1) if turned else LONG
    found = {fit: cropped(ToSquare(16, 3, fit=fit), image) for fit in FITS}
    found = {fit: square.swapaxes(0, 1) if turned else square for fit, square in found.items()}
    assert np.all(found["crop"] == (0, 0, 255))
    np.testing.assert_array_equal(found["pad"], np.pad(LONG, ((6, 6), (0, 0), (0, 0))))
    np.testing.assert_array_equal(found["stretch"], np.repeat(LONG, 4, axis=0))


@pytest.mark.parametrize("fit", ["pad", "stretch"])
def test_a_part_of_what_is_padded_or_stretched_is_its_middle(fit):
    whole = cropped(ToSquare(32, 3, fit=fit), LONG)
    np.testing.assert_array_equal(cropped(ToSquare(16, 3, 0.5, fit), LONG), whole[8:24, 8:24])


@pytest.mark.parametrize("decoder", ["simplejpeg", "pil"])
@pytest.mark.parametrize("fit", ["pad", "stretch"])
@pytest.mark.parametrize(("height", "width"), [(64, 256), (256, 64), (90, 120)])
def test_a_random_box_is_one_of_the_square_that_the_image_becomes(decoder, fit, height, width):
    image, draws = picture(5, height, width), CropDraws(2)
    crop, side = RandomResizedCrop(24, 3, scale=(0.3, 1.0), decoder=decoder, fit=fit), max(height, width)
    square = cropped(ToSquare(side, 3, fit=fit), image)
    for place in range(8):
        uniform = draws(0, place)
        top, left, h, w = crop.box(side, side, uniform)
        expected = Image.fromarray(square[top : top + h, left : left + w]).resize((24, 24), Image.Resampling.BOX)
        apart = np.abs(cropped(crop, encoded(image, quality=98), uniform).astype(int) - np.asarray(expected))
        assert np.mean(apart > 25) < 0.1  # the edges of a bar may lie a pixel elsewhere


@pytest.mark.parametrize("decoder", ["simplejpeg", "pil"])
@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 90), (90, 1), (2, 7), (300, 2)])
def test_an_image_of_any_shape_becomes_a_square(decoder, fit, shape):
    data = encoded(np.full((*shape, 3), 200, np.uint8), quality=95)
    for fraction in (1.0, 0.875, 0.3):
        assert cropped(ToSquare(16, 3, fraction, fit), data).max() > 150
    crop, draws = RandomResizedCrop(3, 1, scale=(0.01, 1.0), decoder=decoder, fit=fit), CropDraws(0)
    seen = [cropped(crop, data, draws(0, place)).max() for place in range(50)]
    assert max(seen) > 190
    assert fit == "pad" or min(seen) > 190


def test_boxes_lie_within_and_have_the_areas_and_aspects_asked_for():
    crop, draws = RandomResizedCrop(32, 3, scale=(0.2, 0.6), ratio=(0.5, 2.0)), CropDraws(0)
    boxes = np.array([crop.box(200, 300, draws(0, place)) for place in range(2000)])
    top, left, height, width = boxes.T
    assert np.all(top >= 0)
    assert np.all(left >= 0)
    assert np.all(top + height <= 200)
    assert np.all(left + width <= 300)
    share, aspect = height * width / 60_000, np.log2(width / height)
    assert 0.195 < share.min() < 0.21
    assert 0.59 < share.max() < 0.605
    assert abs(share.mean() - 0.4) < 0.02
    assert -1.02 < aspect.min() < -0.95
    assert 0.95 < aspect.max() < 1.02
    room = top / np.maximum(200 - height, 1)
    assert abs(room.mean() - 0.5) < 0.03
    assert room.max() == 1


def test_what_never_fits_is_a_central_box():
    crop = RandomResizedCrop(8, 3, scale=(0.9, 1.0), ratio=(1.0, 1.0))
    assert crop.box(10, 100, [0.5] * DRAWS) == (0, 45, 10, 10)
    assert crop.box(100, 10, [0.5] * DRAWS) == (45, 0, 10, 10)


@pytest.mark.parametrize("size", [16, 100])
def test_both_decoders_cut_the_same_box(size):
    image, draws = picture(3, 240, 320), CropDraws(1)
    data = encoded(image, quality=95)
    fast, slow = (RandomResizedCrop(size, 3, decoder=decoder) for decoder in ("simplejpeg", "pil"))
    for place in range(10):
        uniform = draws(0, place)
        found = cropped(slow, data, uniform).astype(int)
        np.testing.assert_allclose(cropped(fast, data, uniform), found, atol=10)
        top, left, height, width = slow.box(240, 320, uniform)
        part = Image.fromarray(image[top : top + height, left : left + width])
        np.testing.assert_allclose(part.resize((size, size), Image.Resampling.BILINEAR), found, atol=10)


def test_a_grey_crop_has_one_channel():
    fast, slow = (RandomResizedCrop(8, 1, decoder=decoder) for decoder in ("simplejpeg", "pil"))
    uniform = CropDraws(0)(0, 0)
    found = cropped(slow, encoded(picture(1)), uniform)
    np.testing.assert_allclose(cropped(fast, encoded(picture(1)), uniform).astype(int), found, atol=25)
    assert np.ptp(found) > 10


def test_draws_differ_by_seed_epoch_and_place_and_are_uniform():
    draws = np.array([CropDraws(seed)(epoch, place) for seed, epoch, place in np.ndindex(3, 4, 50)])
    assert len(np.unique(draws)) == draws.size
    assert draws.min() >= 0
    assert draws.max() < 1
    assert abs(draws.mean() - 0.5) < 0.01


def test_draws_are_frozen_and_do_not_depend_on_what_was_drawn_before():
    draws = CropDraws(1)
    assert draws(2, 3)[:2] == [0.72317396444792, 0.4832980657093866]
    draws(7, 8)
    assert draws(2, 3)[:2] == [0.72317396444792, 0.4832980657093866]
    assert draws(2, 4) != draws(2, 3)


def test_a_jpeg_is_decoded_no_smaller_than_the_shorter_side_of_a_box_allows():
    crop = RandomResizedCrop(16, 3, scale=(1.0, 1.0), ratio=(2.0, 2.0))
    assert [crop.shrink(side, 2 * side, [0.5] * DRAWS) for side in (20, 40, 100, 1000)] == [1, 2, 4, 8]

"""Colours of numbers, and sheets."""

import numpy as np
import pytest

from jaxcnn.pictures.colors import Scale, bar, colored, laid_over, scale_of
from jaxcnn.pictures.tiles import Band, Tile, broken, magnified, sheet
from jaxcnn.pictures.tiles import _Style as Style


def lightness(color):
    """L* of CIELAB, which is even for the eye."""
    linear = np.where(color <= 10, color / 3294.6, ((color / 255 + 0.055) / 1.055) ** 2.4)
    y = linear @ [0.2126, 0.7152, 0.0722]
    return 116 * np.cbrt(y) - 16


def test_amounts_grow_lighter_and_signed_numbers_are_lightest_at_zero():
    amounts = lightness(colored(np.linspace(0, 2, 65), Scale(2.0)).astype(float))
    assert (np.diff(amounts) > 0).all()
    signed = lightness(colored(np.linspace(-2, 2, 65), Scale(2.0, signed=True)).astype(float))
    assert np.argmax(signed) == 32
    assert (np.diff(signed[:33]) > 0).all()
    assert (np.diff(signed[32:]) < 0).all()


def test_zero_of_a_signed_scale_has_no_hue_and_negative_is_blue():
    negative, zero, positive = colored(np.array([-1.0, 0.0, 1.0]), Scale(1.0, signed=True)).astype(int)
    assert np.ptp(zero) == 0
    assert negative[2] > negative[0]
    assert positive[0] > positive[2]


def test_maps_share_a_scale_that_few_extreme_values_do_not_stretch():
    first, second = np.full((10, 10), 0.5), np.full((10, 10), 2.0)
    second[0, 0] = 1e6
    scale = scale_of([first, second])
    assert scale.top == 2.0
    assert str(scale) == "0 to 2, 0.5% beyond"
    np.testing.assert_array_equal(colored(second, scale)[0, 0], colored(second, scale)[0, 1])
    assert scale_of([first, second], share=1).top == 1e6
    assert scale_of([-first, first * 3], signed=True) == Scale(1.5, True)


@pytest.mark.parametrize("signed", [False, True])
def test_a_map_of_zeros_is_said_and_drawn_as_zeros(signed):
    scale = scale_of([np.zeros((4, 4))], signed=signed)
    assert (scale.top, str(scale)) == (0.0, "all 0")
    zeros = colored(np.zeros((4, 4)), scale)
    np.testing.assert_array_equal(zeros, colored(np.zeros((4, 4)), Scale(1.0, signed)))
    assert bar(scale).shape == (12, 256, 3)


def test_a_few_values_among_zeros_are_shown():
    sparse = np.zeros((20, 20))
    sparse[3, 4] = 0.7
    assert scale_of([sparse]).top == 0.7


def test_what_is_not_finite_is_grey_and_does_not_count():
    values = np.array([np.nan, np.inf, 1.0, -np.inf])
    assert scale_of([values]).top == 1.0
    np.testing.assert_array_equal(colored(values, Scale(1.0))[[0, 1, 3]], np.full((3, 3), 128))


def test_colours_are_laid_over_grey_tones():
    red, grey = np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 1), 76, np.uint8)
    red[..., 0] = 255  # as light as 76
    colors = np.full((2, 2, 3), (100, 0, 200), np.uint8)
    np.testing.assert_array_equal(laid_over(red, colors), laid_over(grey, colors))
    tone = 56 + 76 * (224 - 56) / 255
    np.testing.assert_allclose(laid_over(grey, colors)[0, 0], (tone + np.array([100, 0, 200])) / 2, atol=0.51)
    assert np.ptp(laid_over(red, colors, opacity=0)) == 0


def test_pixels_stay_squares():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    found = magnified(pixels, 40)
    assert found.shape == (25, 35, 3)
    np.testing.assert_array_equal(found[::5, ::5], pixels)
    assert magnified(pixels, 6) is not None
    np.testing.assert_array_equal(magnified(pixels, 6), pixels)


def test_a_sheet_has_all_pictures_and_no_text_runs_over_them():
    black = np.zeros((32, 32, 1), np.uint8)
    row = [
        Tile(black, ("a caption that is far too long for its picture, and goes on and on",)),
        Tile(None),
        Tile(black),
    ]
    found = np.asarray(sheet("title", [Band([row], "heading", ("one", "two", "three")), Band([row])]).convert("L"))
    dark = found == 0
    columns = [slice(10 + number * 202, 10 + number * 202 + 192) for number in range(3)]
    assert dark[:, columns[0]].all(axis=1).sum() == dark[:, columns[2]].all(axis=1).sum() == 2 * 192
    between = found[:, 202:212]
    assert (between == 255).all()
    assert found.shape[1] == 3 * 202 + 10


def test_text_is_broken_between_words_and_cut_off_at_last():
    font = Style(192, 17, 10, 3).font
    lines = broken("one two three four five six seven eight nine ten eleven twelve thirteen", 120, font, 3)
    assert len(lines) == 3
    assert all(font.getlength(line) <= 120 for line in lines)
    assert lines[-1].endswith("...")
    assert broken("short", 120, font, 3) == ["short"]
    assert broken("x" * 100, 120, font, 3)[0].endswith("...")

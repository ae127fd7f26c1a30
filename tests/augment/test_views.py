import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxcnn.augment.views import average, center_crop, compose, flip, parse_views, scales, ten_crop
from jaxcnn.errors import UserError


@pytest.fixture(autouse=True)
def strict():
    with jax.numpy_dtype_promotion("strict"):
        yield


def images(height=7, width=8, channels=3) -> jax.Array:
    return jnp.asarray(np.random.RandomState(0).randint(0, 256, (2, height, width, channels)), jnp.float32)


def test_center_crop():
    (view,) = center_crop(4)(images())
    np.testing.assert_array_equal(view, images()[:, 1:5, 2:6])
    np.testing.assert_array_equal(center_crop(7)(images(7, 7))[0], images(7, 7))


def test_ten_crop_is_corners_middle_and_their_mirrors():
    views = ten_crop(5)(images())
    whole = np.asarray(images())
    plain = [whole[:, :5, :5], whole[:, :5, 3:], whole[:, 2:, :5], whole[:, 2:, 3:], whole[:, 1:6, 1:6]]
    assert len(views) == 10
    for view, mirrored, expected in zip(views[:5], views[5:], plain, strict=True):
        np.testing.assert_array_equal(view, expected)
        np.testing.assert_array_equal(mirrored, expected[:, :, ::-1])


def test_flip():
    plain, mirrored = flip()(images())
    np.testing.assert_array_equal(plain, images())
    np.testing.assert_array_equal(mirrored, np.asarray(images())[:, :, ::-1])


@pytest.mark.parametrize(("height", "width", "size", "shape"), [(20, 30, 8, (8, 12)), (9, 6, 12, (18, 12))])
def test_scales_resize_the_shorter_side_as_pillow_does(height, width, size, shape):
    before = images(height, width)
    (view, same) = jax.jit(scales(size, min(height, width)))(before)
    np.testing.assert_allclose(same, before, atol=1e-3)
    assert view.shape == (2, *shape, 3)
    for old, new in zip(np.asarray(before), np.asarray(view), strict=True):
        for channel in range(3):
            reference = Image.fromarray(old[..., channel], "F").resize(shape[::-1], Image.Resampling.BILINEAR)
            np.testing.assert_allclose(new[..., channel], reference, atol=1e-2)


def test_views_of_views():
    views = jax.jit(compose(scales(4, 7), flip()))(images(7, 7))
    assert [view.shape[1] for view in views] == [4, 4, 7, 7]
    np.testing.assert_array_equal(views[1], views[0][:, :, ::-1])
    assert compose()(images())[0].shape == images().shape


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("", [8]),
        ("flip", [8, 8]),
        ("flip()", [8, 8]),
        ("ten_crop(5)", [5] * 10),
        ("scales(4, 6, 16)", [4, 6, 16]),
        ("scales(10), center_crop(size=8), flip,", [8, 8]),
    ],
)
def test_parse(text, sizes):
    assert [view.shape[1] for view in jax.eval_shape(parse_views(text), images(8, 8))] == sizes


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("flipp", "unknown view 'flipp': did you mean flip"),
        ("ten_crop", r"view ten_crop\(size: int\): missing a required argument: 'size'"),
        ("ten_crop(0)", "view ten_crop: size is 0: it must be a whole number in"),
        ("center_crop(2.5)", "size is 2.5"),
        ("ten_crop(100000)", "size is 100000: it must be a whole number in"),
        ("center_crop(1e999)", "size is inf"),
        ("scales(224, 100000)", "size is 100000"),
        ("scales()", "it needs sizes"),
        ("scales(224, '256')", "size is '256'"),
        ("ten_crop(", "cannot read view"),
        ("flip.flip", "cannot read view"),
    ],
)
def test_mistakes_are_answered_in_one_line(text, match):
    with pytest.raises(UserError, match=r"\A[^\n]*" + match + r"[^\n]*\Z"):
        parse_views(text)


def test_too_many_views_are_refused_before_they_are_made():
    with pytest.raises(UserError, match=r"^512 views of each image: there may be 256"):
        jax.eval_shape(parse_views(", ".join(["flip"] * 40)), images())


@pytest.mark.parametrize("views", [center_crop(8), ten_crop(8)])
def test_crops_larger_than_the_image_are_refused(views):
    with pytest.raises(UserError, match="size is 8: the image has 7 x 8, so at most 7"):
        views(images())


def test_average_is_of_probabilities():
    logits = np.random.RandomState(0).normal(0, 3, (4, 5, 6)).astype(np.float32)
    probability = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    averaged = jax.jit(average)([jnp.asarray(view) for view in logits])
    np.testing.assert_allclose(np.exp(averaged), probability.mean(axis=0), atol=1e-6)
    assert not np.array_equal(np.argmax(averaged, axis=-1), np.argmax(logits.mean(axis=0), axis=-1))
    alone = jax.jit(average)([jnp.asarray(logits[0])])
    np.testing.assert_allclose(np.exp(alone), probability[0], atol=1e-6)  # logits that are logarithms already


def test_the_middle_of_ten_crops_lies_in_the_middle_of_both_sides():
    np.testing.assert_array_equal(ten_crop(5)(images(7, 9))[4], images(7, 9)[:, 1:6, 2:7])

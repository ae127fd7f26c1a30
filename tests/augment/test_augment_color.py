import colorsys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.augment import Draw, color_jitter, pca_color
from jaxcnn.augment.color import IMAGENET_AXES, IMAGENET_SPREAD, adjust_hue, gray
from jaxcnn.errors import UserError


@pytest.fixture(autouse=True)
def strict():
    with jax.numpy_dtype_promotion("strict"):
        yield


LUMA = np.array([0.2989, 0.587, 0.114])
FORMULAS = {  # torchvision's, on one image and a factor
    "brightness": lambda image, factor: np.clip(image * factor, 0, 255),
    "contrast": lambda image, factor: np.clip(factor * image + (1 - factor) * (image @ LUMA).mean(), 0, 255),
    "saturation": lambda image, factor: np.clip(factor * image + (1 - factor) * (image @ LUMA)[..., None], 0, 255),
    "hue": lambda image, turn: turned(image, turn),
}


def turned(image: np.ndarray, turn: float) -> np.ndarray:
    """Plain reference: the hue of one image moved, pixel by pixel."""
    moved = np.zeros_like(image, dtype=np.float64)
    for place in np.ndindex(image.shape[:2]):
        hue, saturation, value = colorsys.rgb_to_hsv(*(image[place] / 255))
        moved[place] = 255 * np.array(colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value))
    return moved


def images(count=30, size=4) -> np.ndarray:
    before = np.random.RandomState(0).randint(0, 256, (count, size, size, 3)).astype(np.float32)
    before[0, 0] = [[0, 0, 0], [255, 255, 255], [9, 9, 9], [255, 0, 0]]  # without hue, or on its edges
    before[0, 1] = [[0, 255, 0], [0, 0, 255], [7, 7, 200], [200, 7, 7]]
    return before


def labels(count=30):
    return jnp.arange(count, dtype=jnp.int32)


@pytest.mark.parametrize("turn", [-0.5, -0.1, 0.0, 0.07, 1 / 3, 0.5])
def test_hue(turn):
    before = images(3)
    after = jax.jit(adjust_hue)(before, jnp.full(3, turn))
    for old, new in zip(before, after, strict=True):
        np.testing.assert_allclose(new, turned(old, turn), atol=1e-2)


def test_gray():
    np.testing.assert_allclose(gray(images())[..., 0], images() @ LUMA, rtol=1e-5)
    np.testing.assert_array_equal(gray(images()[..., :1]), images()[..., :1])


@pytest.mark.parametrize("strengths", [{name: 0.4} for name in ("brightness", "contrast", "saturation", "hue")])
def test_each_jitter_alone_is_a_uniform_adjustment(strengths):
    (name,) = strengths
    draw = Draw.of(jax.random.key(0), 30)
    after, same = jax.jit(color_jitter(**strengths))(draw, images(), labels())
    np.testing.assert_array_equal(same, labels())
    factors = np.asarray(draw.uniform(2))[0] * 0.8 + (-0.4 if name == "hue" else 0.6)
    assert factors.max() - factors.min() > 0.6
    for old, new, factor in zip(images(), after, factors, strict=True):
        np.testing.assert_allclose(new, FORMULAS[name](old, factor), atol=2e-2)


def test_jitter_is_in_random_order():
    strengths = {"brightness": 0.8, "contrast": 2.0, "saturation": 0.9, "hue": 0.3}
    draw = Draw.of(jax.random.key(1), 30)
    after, _ = jax.jit(color_jitter(**strengths))(draw, images(), labels())
    uniform, names = np.asarray(draw.uniform(8)), list(strengths)
    low = np.array([0.2, 0.0, 0.1, -0.3])[:, None]
    high = np.array([1.8, 3.0, 1.9, 0.3])[:, None]
    factors, orders = low + uniform[:4] * (high - low), np.argsort(uniform[4:], axis=0)
    assert len(set(map(tuple, orders.T))) > 12
    for example, new in enumerate(np.asarray(after)):
        expected = images()[example].astype(np.float64)
        for turn in orders[:, example]:
            expected = FORMULAS[names[turn]](expected, factors[turn, example])
        np.testing.assert_allclose(new, expected, atol=0.1)


def test_no_jitter():
    draw = Draw.of(jax.random.key(1), 30)
    np.testing.assert_array_equal(color_jitter()(draw, images(), labels())[0], images())


def test_pca_color_moves_along_the_axes():
    count = 4000
    before = jnp.full((count, 1, 2, 3), 100.0)
    after, _ = jax.jit(pca_color())(Draw.of(jax.random.key(0), count), before, labels(count))
    moved = np.asarray(after - before)
    np.testing.assert_array_equal(moved[:, 0, 0], moved[:, 0, 1])
    along = moved[:, 0, 0] @ np.array(IMAGENET_AXES).T / 255 / np.array(IMAGENET_SPREAD)
    np.testing.assert_allclose(along.mean(axis=0), 0, atol=5 * 0.1 / np.sqrt(count))
    np.testing.assert_allclose(along.std(axis=0), 0.1, rtol=5 / np.sqrt(2 * count))
    assert np.abs(np.corrcoef(along.T) - np.eye(3)).max() < 5 / np.sqrt(count) + 0.01
    np.testing.assert_allclose(np.array(IMAGENET_AXES) @ np.array(IMAGENET_AXES).T, np.eye(3), atol=1e-3)


def test_pca_color_of_other_data():
    axes = ((0, 0, 1), (1, 0, 0), (0, 1, 0))
    before = jnp.zeros((500, 1, 1, 3))
    augment = jax.jit(pca_color(1.0, (1.0, 0.0, 0.01), axes))
    moved, _ = augment(Draw.of(jax.random.key(0), 500), before, labels(500))
    red, green, blue = np.asarray(moved)[:, 0, 0].T
    assert np.abs(red).max() == 0
    assert 0.8 * 2.55 < green.std() < 1.2 * 2.55
    assert 0.8 * 255 < blue.std() < 1.2 * 255


@pytest.mark.parametrize("augment", [color_jitter(hue=0.1), color_jitter(saturation=0.1), pca_color()])
def test_gray_images_have_no_colour_to_change(augment):
    with pytest.raises(UserError, match="the images have 1 channels: colours need 3"):
        jax.eval_shape(augment, Draw.of(jax.random.key(0), 30), images()[..., :1], labels())


def test_gray_images_have_brightness():
    draw = Draw.of(jax.random.key(0), 30)
    after, _ = jax.eval_shape(color_jitter(0.5, 0.5), draw, images()[..., :1], labels())
    assert after.shape == (30, 4, 4, 1)

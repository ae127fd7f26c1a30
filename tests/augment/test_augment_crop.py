import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxcnn.augment import Draw, random_resized_crop
from jaxcnn.augment.boxes import Box, draw_box
from jaxcnn.augment.crop import crop_and_resize


@pytest.fixture(autouse=True)
def strict():
    with jax.numpy_dtype_promotion("strict"):
        yield


COUNT = 3000
BOXES = [(0, 0, 19, 14), (3, 2, 1, 1), (5, 1, 14, 13), (2, 6, 7, 3), (0, 3, 2, 11)]


def reference_box(random: np.random.RandomState, height, width, scale, ratio):
    """Szegedy's rule, one image at a time; None where ten tries do not fit."""
    for _ in range(10):
        area = height * width * random.uniform(*scale)
        aspect = math.exp(random.uniform(*np.log(ratio)))
        high, wide = round(math.sqrt(area / aspect)), round(math.sqrt(area * aspect))
        if 0 < high <= height and 0 < wide <= width:
            return random.randint(height - high + 1), random.randint(width - wide + 1), high, wide
    return None


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """Kolmogorov and Smirnov's between two samples."""
    places = np.union1d(one, other)
    return max(abs(np.mean(one <= place) - np.mean(other <= place)) for place in places)


@pytest.mark.parametrize(
    ("shape", "scale", "ratio"),
    [((32, 32), (0.08, 1.0), (3 / 4, 4 / 3)), ((30, 20), (0.02, 0.4), (0.3, 1 / 0.3)), ((16, 40), (0.5, 1), (1, 3))],
)
def test_boxes_are_drawn_as_by_the_reference(shape, scale, ratio):
    random = np.random.RandomState(0)
    references = [reference_box(random, *shape, scale, ratio) for _ in range(COUNT)]
    expected = np.array([box for box in references if box])
    draw = Draw.of(jax.random.key(0), COUNT)
    box, found = jax.jit(draw_box, static_argnums=(1, 2, 3))(draw, (COUNT, *shape, 3), scale, ratio)
    drawn = np.stack(box, axis=1)[np.asarray(found)]
    assert abs(len(drawn) - len(expected)) < 5 * np.sqrt(COUNT) / 2
    for column in range(4):
        assert distance(drawn[:, column], expected[:, column]) < 1.95 * np.sqrt(2 / COUNT)  # one in a thousand
    assert np.all(drawn[:, :2] >= 0)
    assert np.all(drawn[:, 0] + drawn[:, 2] <= shape[0])
    assert np.all(drawn[:, 1] + drawn[:, 3] <= shape[1])
    assert np.array_equal(drawn, np.round(drawn))


def resized(image: np.ndarray, box: tuple[int, ...], size: tuple[int, ...]) -> np.ndarray:
    """Plain reference: Pillow's, channel by channel."""
    top, left, high, wide = box
    parts = [Image.fromarray(part, "F") for part in np.moveaxis(image[top : top + high, left : left + wide], -1, 0)]
    return np.stack([part.resize(size[::-1], Image.Resampling.BILINEAR) for part in parts], axis=-1)


@pytest.mark.parametrize("size", [(19, 14), (5, 9), (40, 33)])
def test_crop_and_resize_is_pillows(size):
    before = np.random.RandomState(0).randint(0, 256, (len(BOXES), 19, 14, 3)).astype(np.float32)
    box = Box(*jnp.asarray(BOXES, jnp.float32).T)
    after = jax.jit(crop_and_resize, static_argnums=(2, 3))(before, box, *size)
    for old, new, each in zip(before, np.asarray(after), BOXES, strict=True):
        np.testing.assert_allclose(new, resized(old, each, size), atol=1e-2)


@pytest.mark.parametrize(
    ("shape", "scale", "ratio", "central"),
    [
        ((12, 12), (1, 1), (2, 2), (3, 0, 6, 12)),
        ((12, 10), (1, 1), (0.25, 0.25), (0, 3, 12, 3)),
        ((9, 8), (1e-4, 1e-4), (0.5, 2), (0, 0, 9, 8)),
    ],
)
def test_what_never_fits_becomes_the_largest_central_crop(shape, scale, ratio, central):
    before = np.random.RandomState(0).randint(0, 256, (2, *shape, 3)).astype(np.float32)
    after, _ = jax.jit(random_resized_crop(scale, ratio))(
        Draw.of(jax.random.key(0), 2), before, jnp.zeros(2, jnp.int32)
    )
    np.testing.assert_allclose(after, [resized(old, central, shape) for old in before], atol=1e-2)


@pytest.mark.parametrize(("size", "shape"), [(None, (9, 6)), (5, (5, 5)), (12, (12, 12))])
def test_it_crops_to_a_size(size, shape):
    batch = Draw.of(jax.random.key(0), 4), jnp.full((4, 9, 6, 1), 7.0), jnp.arange(4, dtype=jnp.int32)
    assert jax.eval_shape(random_resized_crop(size=size), *batch)[0].shape == (4, *shape, 1)


def test_an_even_image_stays_even_and_has_its_label():
    before, labels = jnp.full((4, 9, 6, 1), 7.0), jnp.arange(4, dtype=jnp.int32)
    after, same = jax.jit(random_resized_crop(size=5))(Draw.of(jax.random.key(0), 4), before, labels)
    np.testing.assert_allclose(after, 7, atol=1e-5)
    np.testing.assert_array_equal(same, labels)

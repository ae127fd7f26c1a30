import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.augment import Draw, cutout, random_erasing
from jaxcnn.errors import UserError


@pytest.fixture(autouse=True)
def strict():
    with jax.numpy_dtype_promotion("strict"):
        yield


COUNT, HEIGHT, WIDTH = 3000, 9, 7
DRAW = Draw.of(jax.random.key(0), COUNT)
LABELS = jnp.arange(COUNT, dtype=jnp.int32)
BEFORE = np.full((COUNT, HEIGHT, WIDTH, 2), 200, np.float32)


def rectangles(after: np.ndarray) -> np.ndarray:
    """Checks that what changed is a full rectangle in all channels; returns top, left, bottom, right or zeros."""
    found = np.zeros((len(after), 4), int)
    for number, changed in enumerate(np.any(after != 200, axis=-1)):
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        if len(rows):
            found[number] = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
            assert changed[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
    return found


@pytest.mark.parametrize("size", [1, 4, 5, 30])
def test_cutout_is_a_square_around_any_pixel(size):
    after, labels = jax.jit(cutout(size, "zero"))(DRAW, BEFORE, LABELS)
    np.testing.assert_array_equal(labels, LABELS)
    assert set(np.unique(after)) <= {0, 200}
    boxes = rectangles(np.asarray(after))
    counts = {}
    for box in map(tuple, boxes):
        counts[box] = counts.get(box, 0) + 1
    expected = {}
    for y in range(HEIGHT):
        for x in range(WIDTH):
            top, left = y - size // 2, x - size // 2
            box = max(top, 0), max(left, 0), min(top + size, HEIGHT), min(left + size, WIDTH)
            expected[box] = expected.get(box, 0) + COUNT / (HEIGHT * WIDTH)
    assert counts.keys() == expected.keys()
    assert all(abs(counts[box] - expected[box]) < 5 * np.sqrt(expected[box]) for box in counts)


def test_cutout_paints_the_mean():
    after = np.asarray(jax.jit(cutout(3, mean=(0.25, 0.75)))(DRAW, BEFORE, LABELS)[0])
    changed = np.any(after != 200, axis=-1)
    np.testing.assert_allclose(after[changed], np.tile([63.75, 191.25], (changed.sum(), 1)))


def test_random_erasing_is_a_rectangle_within():
    scale, ratio = (0.1, 0.4), (0.5, 2.0)
    after, labels = jax.jit(random_erasing(0.7, scale, ratio, "zero"))(DRAW, BEFORE, LABELS)
    np.testing.assert_array_equal(labels, LABELS)
    top, left, bottom, right = rectangles(np.asarray(after)).T
    high, wide = bottom - top, right - left
    erased = high > 0
    assert abs(erased.mean() - 0.7) < 5 * np.sqrt(0.21 / COUNT)
    area, aspect = (high * wide)[erased], (wide / np.maximum(high, 1))[erased]
    assert 2 <= area.min() <= 8  # a tenth of 63 is 6.3, sides are rounded
    assert 20 <= area.max() <= 30
    assert aspect.min() >= 1 / 3
    assert aspect.max() <= 3
    assert {0, HEIGHT - 2} <= set(top[erased])
    assert {2, WIDTH} <= set(right[erased])


def test_random_erasing_with_noise():
    after = np.asarray(jax.jit(random_erasing(1.0))(DRAW, BEFORE, LABELS)[0])
    noise = after[after != 200]
    assert set(np.unique(noise)) == set(range(256)) - {200}
    counts = np.bincount(noise.astype(int), minlength=256)
    counts = np.delete(counts, 200)
    assert ((counts - counts.mean()) ** 2).sum() / counts.mean() < 254 + 5 * np.sqrt(2 * 254)
    both = after[np.all(after != 200, axis=-1)]
    assert abs(np.corrcoef(both.T)[0, 1]) < 5 / np.sqrt(len(both))
    first, second = after[:-1], after[1:]
    noisy = (first != 200) & (second != 200)
    assert abs(np.corrcoef(first[noisy], second[noisy])[0, 1]) < 5 / np.sqrt(noisy.sum())


def test_never():
    np.testing.assert_array_equal(jax.jit(random_erasing(0.0))(DRAW, BEFORE, LABELS)[0], BEFORE)


def test_a_mean_is_needed_for_it():
    for augment in (cutout(3), random_erasing(fill="mean"), cutout(3, mean=(0.5, 0.5, 0.5))):
        with pytest.raises(UserError, match="fill is 'mean': it needs a mean of 2 numbers"):
            jax.eval_shape(augment, DRAW, BEFORE, LABELS)


def test_where_no_box_fits_nothing_is_painted():
    erase = jax.jit(random_erasing(1.0, (0.9, 1.0), (0.01, 0.02), "zero"))
    np.testing.assert_array_equal(erase(DRAW, BEFORE, LABELS)[0], BEFORE)

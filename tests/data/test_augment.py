import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.data.augment import chain, flip, parse_augment, shift
from jaxcnn.errors import UserError


@pytest.fixture(autouse=True)
def strict():
    with jax.numpy_dtype_promotion("strict"):
        yield


KEYS = jax.random.split(jax.random.key(0), 40)
LABELS = jnp.arange(40, dtype=jnp.int32)


def images(height=9, width=8, channels=3, dtype=np.float32) -> np.ndarray:
    return np.random.RandomState(0).randint(1, 256, (40, height, width, channels)).astype(dtype)


def shifted(image: np.ndarray, down: int, right: int, fill: str) -> np.ndarray:
    """Plain reference: moves one image, pixel by pixel."""
    height, width, _ = image.shape
    moved = np.zeros_like(image)
    for y in range(height):
        for x in range(width):
            from_y, from_x = y - down, x - right
            if fill == "edge":
                from_y, from_x = np.clip(from_y, 0, height - 1), np.clip(from_x, 0, width - 1)
            if 0 <= from_y < height and 0 <= from_x < width:
                moved[y, x] = image[from_y, from_x]
    return moved


@pytest.mark.parametrize(("fill", "dtype"), [("zero", np.float32), ("edge", np.uint8)])
def test_shift_is_a_translation_by_at_most_that_many_pixels(fill, dtype):
    before = images(dtype=dtype)
    after, labels = jax.jit(shift(2, fill))(KEYS, before, LABELS)
    assert after.dtype == dtype
    np.testing.assert_array_equal(labels, LABELS)
    moves = [(down, right) for down in range(-2, 3) for right in range(-2, 3)]
    seen = set()
    for old, new in zip(before, np.asarray(after), strict=True):
        matches = [move for move in moves if np.array_equal(shifted(old, *move, fill), new)]
        assert len(matches) == 1
        seen.update(matches)
    assert len(seen) > 12
    assert {down for down, _ in seen} == {right for _, right in seen} == set(range(-2, 3))


def test_shift_by_nothing():
    np.testing.assert_array_equal(shift(0)(KEYS, images(), LABELS)[0], images())


def test_a_shift_out_of_the_image_is_refused():
    assert shift(3)(KEYS, images(4, 4, 1), LABELS)[0].shape == (40, 4, 4, 1)
    with pytest.raises(UserError, match="pixels is 4: the image has 4"):
        shift(4)(KEYS, images(4, 4, 1), LABELS)


def test_moves_are_equally_likely():
    count = 5000
    row = jnp.tile(jnp.arange(1, 8, dtype=jnp.int32)[None, :, None, None], (count, 1, 3, 1))
    keys = jax.random.split(jax.random.key(1), count)
    corner = np.asarray(jax.jit(shift(2, "edge"))(keys, row, jnp.zeros(count, jnp.int32))[0])[:, 3, 0, 0]
    counts = np.bincount(corner, minlength=7)[2:7]
    assert np.abs(counts - count / 5).max() < 5 * np.sqrt(count * 0.16)


def test_flip_mirrors_every_other_image():
    before = images()
    after, labels = jax.jit(flip())(KEYS, before, LABELS)
    np.testing.assert_array_equal(labels, LABELS)
    mirrored = [np.array_equal(new, old[:, ::-1]) for old, new in zip(before, after, strict=True)]
    kept = [np.array_equal(new, old) for old, new in zip(before, after, strict=True)]
    assert np.all(np.logical_xor(mirrored, kept))
    assert 10 < sum(mirrored) < 30


@pytest.mark.parametrize("text", ["shift(2), flip()", "flip(), shift(3, fill='edge')"])
def test_independent_of_the_rest_of_the_batch(text):
    augment = jax.jit(parse_augment(text))
    whole, _ = augment(KEYS, images(), LABELS)
    some = np.array([7, 3, 31, 3, 0])
    np.testing.assert_array_equal(augment(KEYS[some], images()[some], LABELS[some])[0], whole[some])


def test_links_of_a_chain_draw_on_their_own():
    mirrored = []
    for augment in (chain(flip()), chain(chain(), flip())):
        after = augment(KEYS, images(), LABELS)[0]
        mirrored.append([np.array_equal(new, old[:, ::-1]) for old, new in zip(images(), after, strict=True)])
    assert mirrored[0] != mirrored[1]


@pytest.mark.parametrize("text", ["", "  "])
def test_no_augmentation(text):
    after, labels = parse_augment(text)(KEYS, images(), LABELS)
    np.testing.assert_array_equal(after, images())
    assert labels is LABELS


@pytest.mark.parametrize("text", ["shift(2), flip()", "shift(pixels=2),flip(),", " shift( 2 , fill='zero') , flip() "])
def test_ways_of_writing(text):
    expected, _ = chain(shift(2), flip())(KEYS, images(), LABELS)
    np.testing.assert_array_equal(parse_augment(text)(KEYS, images(), LABELS)[0], expected)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("shfit(2)", "unknown augmentation 'shfit': did you mean shift"),
        ("shift", "cannot read augmentation 'shift': write it as"),
        ("shift(2), flip", "cannot read augmentation"),
        ("shift(2", "cannot read augmentation"),
        ("shift(2)), (flip()", "cannot read augmentation"),
        ("1 + 2", "cannot read augmentation"),
        ("os.system('true')", "cannot read augmentation"),
        ("shift(open('x'))", "its arguments must be plain values"),
        ("shift()", r"augmentation shift\(.*\): missing a required argument: 'pixels'"),
        ("shift(1, 'zero', 3)", "too many positional arguments"),
        ("flip(p=1)", r"augmentation flip\(\): got an unexpected keyword argument 'p'"),
        ("shift(-1)", "pixels is -1: it must be a whole number from 0"),
        ("shift(1.5)", "pixels is 1.5"),
        ("shift('2')", "pixels is '2'"),
        ("shift(2, 'mirror')", "unknown fill of augmentation shift 'mirror'"),
        ("shift(2, [])", "unknown fill"),
    ],
)
def test_mistakes_are_answered_in_one_line(text, match):
    with pytest.raises(UserError, match=r"\A[^\n]*" + match + r"[^\n]*\Z"):
        parse_augment(text)

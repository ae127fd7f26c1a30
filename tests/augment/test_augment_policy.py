import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from jaxcnn.augment import Draw, rand_augment, trivial_augment
from jaxcnn.augment.operations import GEOMETRIC, OPERATIONS, apply, magnitudes
from jaxcnn.augment.policy import LEVELS, RAND, WIDE


@pytest.fixture(autouse=True)
def strict():
    with jax.numpy_dtype_promotion("strict"):
        yield


HEIGHT, WIDTH = 13, 10
COUNT = len(OPERATIONS)
ROUNDED = ("brightness", "color", "contrast", "sharpness", "auto_contrast")  # Pillow cuts off fractions
CHOICE = jnp.arange(COUNT, dtype=jnp.int32)


def moved(*matrix: float):
    return lambda image: image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST)


def pillow(name: str, image: Image.Image, amount: float) -> Image.Image:
    """Plain reference: Pillow's operation."""
    return {
        "identity": lambda image: image,
        "shear_x": moved(1, amount, 0, 0, 1, 0),
        "shear_y": moved(1, 0, 0, amount, 1, 0),
        "translate_x": moved(1, 0, -amount, 0, 1, 0),
        "translate_y": moved(1, 0, 0, 0, 1, -amount),
        "rotate": lambda image: image.rotate(np.degrees(amount), Image.Resampling.NEAREST),
        "brightness": lambda image: ImageEnhance.Brightness(image).enhance(amount),
        "color": lambda image: ImageEnhance.Color(image).enhance(amount),
        "contrast": lambda image: ImageEnhance.Contrast(image).enhance(amount),
        "sharpness": lambda image: ImageEnhance.Sharpness(image).enhance(amount),
        "posterize": lambda image: ImageOps.posterize(image, int(amount)),
        "solarize": lambda image: ImageOps.solarize(image, amount),
        "auto_contrast": ImageOps.autocontrast,
        "equalize": ImageOps.equalize,
    }[name](image)


def images(count=COUNT, height=HEIGHT, width=WIDTH, channels=3) -> np.ndarray:
    """Random, of unlike ranges, and with equal values for the histograms."""
    random = np.random.RandomState(0)
    low, high = random.randint(0, 90, (count, 1, 1, channels)), random.randint(140, 256, (count, 1, 1, channels))
    return (low + (high - low) * random.beta(0.5, 2, (count, height, width, channels))).astype(np.uint8)


@pytest.mark.parametrize("space", [RAND, WIDE])
@pytest.mark.parametrize(("strength", "sign"), [(0.3, 1), (0.3, -1), (1.0, 1), (0.75, -1), (0.0, 1)])
def test_operations_are_pillows(space, strength, sign):
    each = [jnp.full(COUNT, float(value)) for value in (strength, sign)]
    amounts = magnitudes(space, *each, HEIGHT, WIDTH)
    assert set(amounts) == set(OPERATIONS)
    after = np.asarray(jax.jit(apply)(images().astype(np.float32), CHOICE, amounts))
    assert after.min() >= 0
    assert after.max() <= 255.001
    for name, old, new in zip(OPERATIONS, images(), after, strict=True):
        reference = np.asarray(pillow(name, Image.fromarray(old), float(amounts[name][0])), np.float32)
        off = np.abs(new - reference)
        if name in GEOMETRIC:
            assert np.mean(off.max(axis=-1) > 0) < 0.03, name  # pixels that come from just between two
        else:
            assert off.max() <= (2 if name in ROUNDED else 0), name


def test_equalizing_an_image_of_few_values_leaves_it():
    same = np.full((COUNT, HEIGHT, WIDTH, 3), 77, np.float32)
    amounts = magnitudes(RAND, jnp.ones(COUNT), jnp.ones(COUNT), HEIGHT, WIDTH)
    choice = jnp.full(COUNT, OPERATIONS.index("equalize"), jnp.int32)
    each = jax.jit(apply)
    np.testing.assert_array_equal(each(same, choice, amounts), same)
    choice = jnp.full(COUNT, OPERATIONS.index("auto_contrast"), jnp.int32)
    np.testing.assert_array_equal(each(same, choice, amounts), same)


def test_large_images_are_equalized_exactly():
    before = images(2, 80, 70)
    amounts = magnitudes(RAND, jnp.ones(2), jnp.ones(2), 80, 70)
    choice = jnp.full(2, OPERATIONS.index("equalize"), jnp.int32)
    after = jax.jit(apply)(before.astype(np.float32), choice, amounts)
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(new, np.asarray(ImageOps.equalize(Image.fromarray(old))))


def test_fill_comes_in_at_the_border():
    before = np.full((COUNT, HEIGHT, WIDTH, 3), 9, np.float32)
    amounts = magnitudes(WIDE, jnp.full(COUNT, 0.1), jnp.ones(COUNT), HEIGHT, WIDTH)
    choice = jnp.full(COUNT, OPERATIONS.index("translate_x"), jnp.int32)
    after = np.asarray(jax.jit(apply)(before, choice, amounts, fill=128.0))
    assert set(np.unique(after)) == {9, 128}
    np.testing.assert_array_equal(after[:, :, 0], 128)


@pytest.mark.parametrize("channels", [1, 4])
def test_policies_take_any_channels(channels):
    before = images(8, channels=channels).astype(np.float32)
    draw, labels = Draw.of(jax.random.key(0), 8), jnp.arange(8, dtype=jnp.int32)
    after, same = jax.eval_shape(rand_augment(1, 20), draw, before, labels)
    assert (after.shape, after.dtype) == (before.shape, before.dtype)
    assert same.shape == labels.shape


def seen(monkeypatch, augment, count):
    """Returns, by turn, the operation of each example and what it was applied with, instead of doing it."""
    calls = []

    def record(images, choice, amounts, fill):
        calls.append((choice, amounts))
        return images

    monkeypatch.setattr("jaxcnn.augment.policy.apply", record)
    augment(Draw.of(jax.random.key(0), count), jnp.zeros((count, 100, 200, 1), bool), jnp.zeros(count, jnp.int32))
    return calls


def check_uniform(counts: np.ndarray):
    assert ((counts - counts.mean()) ** 2).sum() / counts.mean() < len(counts) + 5 * np.sqrt(2 * len(counts))


def test_rand_augment_draws_operations_and_signs(monkeypatch):
    calls = seen(monkeypatch, rand_augment(3, 10), 4200)
    assert len(calls) == 3
    for choice, amounts in calls:
        check_uniform(np.bincount(choice, minlength=COUNT))
        values, counts = np.unique(amounts["shear_x"], return_counts=True)
        np.testing.assert_allclose(values, [-0.1, 0.1], rtol=1e-6)
        check_uniform(counts)
        assert set(np.unique(amounts["translate_x"])) == {-30, 30}
        assert set(np.unique(amounts["translate_y"])) == {-15, 15}
        assert set(np.unique(amounts["posterize"])) == {7}
    assert len({tuple(np.asarray(choice[:20]).tolist()) for choice, _ in calls}) == 3


def test_trivial_augment_draws_strengths_too(monkeypatch):
    ((choice, amounts),) = seen(monkeypatch, trivial_augment(), 6200)
    check_uniform(np.bincount(choice, minlength=COUNT))
    level = np.round(LEVELS * (1 - np.asarray(amounts["solarize"]) / 255)).astype(int)
    check_uniform(np.bincount(level, minlength=LEVELS + 1))
    assert set(np.unique(amounts["translate_x"])) == {
        sign * (32 * level // 30) for sign in (-1, 1) for level in range(31)
    }
    np.testing.assert_allclose(np.abs(amounts["rotate"]), np.radians(135) * level / LEVELS, rtol=1e-5, atol=1e-6)
    share = np.corrcoef(choice, level)[0, 1]
    assert abs(share) < 5 / np.sqrt(6200)


@pytest.mark.parity
@pytest.mark.parametrize(("name", "space"), [("RandAugment", RAND), ("TrivialAugmentWide", WIDE)])
def test_strengths_are_torchvisions(name, space, monkeypatch):
    torch = pytest.importorskip("torch")
    # Beside a CPU-only torch, torchvision's compiled operators are missing, and with them what it registers fakes for.
    monkeypatch.setattr(torch.library, "register_fake", lambda *_, **__: lambda function: function)
    from torchvision.transforms import autoaugment

    table = getattr(autoaugment, name)()._augmentation_space(
        LEVELS + 1, *([(100, 200)] if name == "RandAugment" else [])
    )
    strength = jnp.arange(LEVELS + 1, dtype=jnp.float32) / LEVELS
    ours = magnitudes(space, strength, jnp.ones(LEVELS + 1), 100, 200)
    assert len(table) == COUNT
    for theirs, (values, signed) in table.items():
        word = re.sub("(?<=[a-z])(?=[A-Z])", "_", theirs).lower()
        amount = np.asarray(ours[word]) - (word in ("brightness", "color", "contrast", "sharpness"))
        amount = np.degrees(amount) if word == "rotate" else amount
        expected = np.trunc(values.numpy() + 1e-4) if word.startswith("translate") else values.numpy()
        assert signed == (word in GEOMETRIC or word in ("brightness", "color", "contrast", "sharpness"))
        if expected.ndim:
            np.testing.assert_allclose(amount, expected, atol=1e-4, err_msg=word)


@pytest.mark.parametrize("make", [lambda fill: rand_augment(2, 9, fill), trivial_augment])
def test_policies_hand_on_what_comes_in_at_the_border(monkeypatch, make):
    fills = []
    monkeypatch.setattr("jaxcnn.augment.policy.apply", lambda images, *_: fills.append(_[-1]) or images)
    make(77)(Draw.of(jax.random.key(0), 2), jnp.zeros((2, 4, 4, 1)), jnp.zeros(2, jnp.int32))
    assert set(fills) == {77}


def test_solarizing_begins_at_its_threshold():
    before = jnp.tile(jnp.array([127.0, 128.0]), 8).reshape(1, 4, 4, 1)
    amounts = magnitudes(RAND, jnp.zeros(1), jnp.ones(1), 4, 4) | {"solarize": jnp.full(1, 128.0)}
    after = jax.jit(apply)(before, jnp.array([OPERATIONS.index("solarize")]), amounts)
    np.testing.assert_array_equal(after, jnp.full((1, 4, 4, 1), 127.0))

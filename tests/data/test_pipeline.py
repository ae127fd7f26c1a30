import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from jaxcnn.augment import parse_augment
from jaxcnn.data.feed.pipeline import DevicePipeline, Pipeline, whiten
from jaxcnn.data.read.records import mixing_order
from jaxcnn.data.read.split import Split
from tests.data.pipelines import device_pipeline

MEAN, STD = np.array([0.3, 0.5], np.float32), np.array([0.2, 0.4], np.float32)
BOTH = "shift(1), flip()"
EPOCHS = (slice(0, 50), slice(50, 100))
SIZES = {"train": 50, "val": 20, "test": 130}


@pytest.fixture(autouse=True)
def strict():
    with jax.numpy_dtype_promotion("strict"):
        yield


def numbered(size: int) -> Split:
    """Examples that can be told apart: the label is the number, and so is every pixel of the first channel."""
    image = np.random.RandomState(size).randint(0, 256, (size, 6, 6, 2)).astype(np.uint8)
    image[..., 0] = np.arange(size)[:, None, None]
    return Split(image, np.arange(size, dtype=np.int32))


def pipeline(batch_size=8, seed=0, augment="", **kwargs) -> DevicePipeline:
    splits = {name: numbered(size) for name, size in SIZES.items()}
    return device_pipeline(
        splits, batch_size=batch_size, seed=seed, augment=parse_augment(augment), mean=MEAN, std=STD, **kwargs
    )


@functools.cache
def compiled(batch_size: int, seed: int, augment: str):
    pipe = pipeline(batch_size, seed, augment)
    return pipe, jax.jit(pipe.train_batch)


def train(steps, *, batch_size=8, seed=0, augment="") -> dict[str, np.ndarray]:
    """The batches of `steps`, one after the other, as one long batch."""
    pipe, get_batch = compiled(batch_size, seed, augment)
    batches = [get_batch(pipe.feed(step), jnp.int32(step)) for step in steps]
    return {key: np.concatenate([batch[key] for batch in batches]) for key in batches[0]}


def test_it_is_a_pipeline():
    pipe: Pipeline = pipeline()
    assert pipe.sizes == SIZES
    assert pipe.recipe.batch_size == 8
    batch = jax.eval_shape(pipe.train_batch, pipe.feed(0), jnp.int32(0))
    assert batch["image"].shape == (8, 6, 6, 2)
    assert batch["image"].dtype == jnp.float32
    assert batch["label"].shape == (8,)
    assert batch["label"].dtype == jnp.int32


def test_images_go_with_their_labels_and_are_whitened():
    batch = train(range(10))
    expected = (numbered(50).image[batch["label"]] / 255.0 - MEAN) / STD
    np.testing.assert_allclose(batch["image"], expected, atol=1e-5)


def test_each_example_once_an_epoch_whatever_the_batch_size():
    for batch_size, steps in ((8, 25), (50, 4), (64, 4)):
        label = train(range(steps), batch_size=batch_size)["label"][:200].reshape(4, 50)
        np.testing.assert_array_equal(np.sort(label, axis=1), np.tile(np.arange(50), (4, 1)))
        assert len({tuple(row) for row in label}) == 4


def test_what_is_seen_does_not_depend_on_the_batch_size():
    expected, seen = train(range(20), augment=BOTH), train(range(32), batch_size=5, augment=BOTH)
    for key in expected:
        np.testing.assert_array_equal(seen[key], expected[key])


def test_any_step_can_be_the_first():
    whole = train(range(12), augment=BOTH)
    pipe, get_batch = pipeline(augment=BOTH), compiled(8, 0, BOTH)[1]
    for key, value in get_batch(pipe.feed(11), jnp.int32(11)).items():
        np.testing.assert_array_equal(value, whole[key][88:])


def test_several_steps_in_one_dispatch_and_many_devices_see_the_same():
    mesh = jax.make_mesh((8,), ("batch",), axis_types=(AxisType.Auto,))
    over_batch = NamedSharding(mesh, PartitionSpec("batch"))
    on_all = functools.partial(jax.device_put, device=NamedSharding(mesh, PartitionSpec()))
    placed = pipeline(augment=BOTH, put=on_all)

    @jax.jit
    def dispatch(feed):
        def one(step, _):
            return step + 1, jax.lax.with_sharding_constraint(placed.train_batch(feed, step), over_batch)

        return jax.lax.scan(one, jnp.int32(0), length=10)[1]

    expected = train(range(10), augment=BOTH)
    for key, value in dispatch(placed.feed(0)).items():
        np.testing.assert_array_equal(np.concatenate(value), expected[key])


def test_augmentation_changes_from_epoch_to_epoch_and_seed_to_seed():
    plain, augmented = train(range(2), batch_size=50), train(range(2), batch_size=50, augment="shift(2)")
    np.testing.assert_array_equal(plain["label"], augmented["label"])
    assert not np.array_equal(plain["image"], augmented["image"])
    first, second = (augmented["image"][part][np.argsort(augmented["label"][part])] for part in EPOCHS)
    assert np.mean([np.array_equal(one, other) for one, other in zip(first, second, strict=True)]) < 0.3
    assert not np.array_equal(train(range(1), batch_size=50, seed=1)["label"], plain["label"][:50])


def test_border_of_a_shift_is_black():
    image = train(range(1), batch_size=50, augment="shift(2)")["image"]
    assert image.min() == pytest.approx((0 - MEAN / STD).min())


@pytest.mark.parametrize("split", SIZES)
@pytest.mark.parametrize("batch_size", [7, 64, 1000])
def test_evaluation_covers_every_example_once(split, batch_size):
    pipe, size = pipeline(augment="flip()"), SIZES[split]
    get_batch = jax.jit(pipe.eval_batch, static_argnames="batch_size")
    batches = [get_batch(pipe.arrays[split], start, batch_size=batch_size) for start in range(0, size, batch_size)]
    joined = {key: np.concatenate([batch[key] for batch in batches]) for key in batches[0]}
    assert joined["mask"].dtype == np.float32
    assert set(np.unique(joined["mask"])) <= {0, 1}
    counted = joined["mask"] == 1
    np.testing.assert_array_equal(joined["label"][counted], np.arange(size))
    expected = (numbered(size).image / 255.0 - MEAN) / STD
    np.testing.assert_allclose(joined["image"][counted], expected, atol=1e-5)
    assert np.isfinite(joined["image"]).all()


@pytest.mark.parametrize("batch_size", [7, 64])
def test_mixed_evaluation_covers_every_example_once_in_a_fixed_order(batch_size):
    pipe, size = pipeline(), SIZES["train"]
    get_batch = jax.jit(pipe.eval_batch, static_argnames="batch_size")
    feeds = [(pipe.eval_feed("train", start, batch_size, mixed=True), start) for start in range(0, size, batch_size)]
    batches = [get_batch(feed, start, batch_size=batch_size) for feed, start in feeds]
    labels = np.concatenate([batch["label"][batch["mask"] == 1] for batch in batches])
    np.testing.assert_array_equal(labels, mixing_order(size))
    assert sorted(labels.tolist()) == list(range(size))


def test_arrays_are_arguments_and_not_constants():
    pipe = pipeline()
    jaxpr = jax.make_jaxpr(pipe.train_batch)(pipe.feed(0), jnp.int32(0))
    assert sum(np.size(constant) for constant in jaxpr.consts) < 100


@pytest.mark.parametrize("shape", [(2,), (4, 5, 2), (3, 4, 5, 2)])
def test_whiten(shape):
    image = np.random.RandomState(0).randint(0, 256, shape)
    expected = (image / 255.0 - MEAN) / STD
    for dtype in (np.uint8, np.float32):
        white = whiten(image.astype(dtype), MEAN, STD)
        assert white.dtype == jnp.float32
        np.testing.assert_allclose(white, expected, atol=1e-6)


def test_grey_images_are_whitened_alike_and_not_copied():
    splits = {"train": Split(np.random.RandomState(0).randint(0, 256, (9, 6, 5, 1)).astype(np.uint8), np.arange(9))}
    mean, std = MEAN[:1], STD[:1]
    pipe = device_pipeline(splits, batch_size=4, seed=0, augment=parse_augment(""), mean=mean, std=std)
    image = splits["train"].image
    compiled = jax.jit(pipe.recipe.whiten).lower(image).compile()
    np.testing.assert_allclose(compiled(image), whiten(image, mean, std), atol=1e-6)
    assert "copy" not in compiled.as_text()


def test_an_alternating_flip_shows_both_sides_of_each_example_wherever_it_comes():
    batch = train(range(2), batch_size=50, augment="alternating_flip()")
    first, second = (batch["image"][part][np.argsort(batch["label"][part])] for part in EPOCHS)
    np.testing.assert_array_equal(first, second[:, :, ::-1])


def test_an_example_that_comes_thrice_in_each_epoch_is_seen_for_the_fourth_time_in_the_second():
    draw = jax.jit(pipeline(batch_size=50, repeats=3).recipe.draw)
    first, second = (draw(step)[0].epoch[:6] for step in (0, 3))
    np.testing.assert_array_equal(first, [0, 1, 2, 0, 1, 2])
    np.testing.assert_array_equal(second, [3, 4, 5, 3, 4, 5])

import multiprocessing
import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.augment import parse_augment
from jaxcnn.data.feed.pipeline import Pipeline, Recipe
from jaxcnn.data.feed.reader import AHEAD
from jaxcnn.data.feed.stream import StreamPipeline
from jaxcnn.data.read.crops import RandomResizedCrop, ToSquare
from jaxcnn.data.read.folder import FolderSource
from jaxcnn.data.read.hold import hold
from jaxcnn.data.read.records import make_source, mixing_order
from jaxcnn.data.read.sources import open_dataset
from jaxcnn.errors import UserError
from tests.data.photos import picture, write_folder
from tests.data.pipelines import device_pipeline

MEAN, STD = np.array([0.4, 0.5, 0.6], np.float32), np.array([0.2, 0.3, 0.4], np.float32)
SIZE, STEPS, BATCH = 12, 12, 8
CENTRE, ZOOM = ToSquare(SIZE, 3, 0.875), RandomResizedCrop(SIZE, 3)


@pytest.fixture(autouse=True)
def strict():
    with jax.numpy_dtype_promotion("strict"):
        yield


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    write_folder(folder, {"train/ant": 14, "train/bee": 16, "test/ant": 6, "test/bee": 5})
    return folder


@pytest.fixture(scope="module")
def sources(root):
    return open_dataset("folder", data_dir=root, validation=7).sources


def recipe(sources, repeats=1) -> Recipe:
    augment, examples = parse_augment("flip()"), len(sources["train"].labels)
    return Recipe(batch_size=BATCH, seed=5, examples=examples, augment=augment, mean=MEAN, std=STD, repeats=repeats)


def stream(sources, *, repeats=1, crop=ZOOM, **options) -> StreamPipeline:
    return StreamPipeline(sources, recipe(sources, repeats), crop=crop, eval_crop=CENTRE, steps=STEPS, **options)


def feeds(pipeline, steps) -> dict[str, np.ndarray]:
    """What is fed at `steps`, one after the other, as one long batch."""
    found = [jax.device_get(pipeline.feed(step)) for step in steps]
    pipeline.close()
    return {name: np.concatenate([feed[name] for feed in found]) for name in found[0]}


@pytest.fixture(scope="module")
def whole(sources):
    return feeds(stream(sources), range(STEPS))


def same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


def test_it_is_a_pipeline(sources):
    pipe: Pipeline = stream(sources)
    assert pipe.sizes == {"train": 23, "val": 7, "test": 11}
    feed = pipe.feed(0)
    assert feed["image"].dtype == jnp.uint8
    batch = jax.jit(pipe.train_batch)(feed, jnp.int32(0))
    assert batch["image"].shape == (BATCH, SIZE, SIZE, 3)
    assert batch["image"].dtype == jnp.float32
    assert batch["label"].dtype == jnp.int32
    before = np.sort(np.asarray(feed["image"]).reshape(BATCH, -1), axis=1)
    after = np.asarray(batch["image"]) * STD + MEAN
    np.testing.assert_allclose(np.sort(after.reshape(BATCH, -1), axis=1), before / 255.0, atol=1e-5)
    pipe.close()


def test_the_order_is_that_of_a_set_on_the_device(sources):
    splits = {name: hold(source, CENTRE).split for name, source in sources.items()}
    plain = {"batch_size": BATCH, "seed": 5, "augment": parse_augment("flip()"), "mean": MEAN, "std": STD}
    device, other = device_pipeline(splits, **plain), stream(sources, crop=CENTRE)
    made = [(pipe, jax.jit(pipe.train_batch)) for pipe in (device, other)]
    for step in (0, 1, 7):
        same(*(jax.device_get(get_batch(pipe.feed(step), jnp.int32(step))) for pipe, get_batch in made))
    other.close()


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_workers_change_nothing(sources, whole, workers):
    assert len(np.unique(whole["image"].reshape(STEPS * BATCH, -1), axis=0)) == STEPS * BATCH
    same(feeds(stream(sources, workers=workers), range(STEPS)), whole)


def test_two_processes_make_the_halves_of_what_one_makes(sources, whole):
    halves = [feeds(stream(sources, process=(number, 2)), range(STEPS)) for number in (0, 1)]
    joined = {
        name: np.concatenate([half[name].reshape(STEPS, BATCH // 2, *half[name].shape[1:]) for half in halves], axis=1)
        for name in whole
    }
    same({name: value.reshape(whole[name].shape) for name, value in joined.items()}, whole)


def test_any_step_can_be_the_first_and_nothing_before_it_is_read(sources, whole, monkeypatch):
    read = []
    get = FolderSource.__getitem__
    monkeypatch.setattr(FolderSource, "__getitem__", lambda self, index: read.append(index) or get(self, index))
    late = feeds(stream(sources), range(9, STEPS))
    same(late, {name: value[9 * BATCH :] for name, value in whole.items()})
    assert len(read) == (STEPS - 9) * BATCH


def test_steps_may_come_in_any_order(sources, whole):
    pipe = stream(sources)
    for step in (3, 4, 1, 11, 0):
        same(jax.device_get(pipe.feed(step)), {key: value[step * BATCH :][:BATCH] for key, value in whole.items()})
    pipe.close()
    with pytest.raises(IndexError, match="batch 12 of 12"):
        pipe.feed(12)


def test_repeats_show_each_example_several_times_in_a_row(sources):
    pipe = stream(sources, repeats=3)
    image = feeds(pipe, range(STEPS))["image"][: 3 * 23]
    triples = image.reshape(23, 3, -1)
    assert len(np.unique(image.reshape(69, -1), axis=0)) == 69
    plain = feeds(stream(sources, repeats=3, crop=CENTRE), range(STEPS))["image"][: 3 * 23].reshape(23, 3, -1)
    np.testing.assert_array_equal(plain, np.repeat(plain[:, :1], 3, axis=1))
    assert len(np.unique(plain[:, 0], axis=0)) == 23
    assert triples.shape == plain.shape
    seen = jax.jit(lambda step: pipe.recipe.draw(step)[0].epoch)(jnp.int32(0))
    assert seen.tolist() == [0, 1, 2, 0, 1, 2, 0, 1]


@pytest.mark.parametrize("batch_size", [4, 11, 64])
def test_evaluation_covers_every_example_once(sources, batch_size):
    pipe, expected = stream(sources), hold(sources["test"], CENTRE).split
    for _ in range(2):
        starts = range(0, 11, batch_size)
        feeds = [pipe.eval_feed("test", start, batch_size) for start in starts]
        batches = [pipe.eval_batch(feed, jnp.int32(0), batch_size) for feed in feeds]
        joined = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
        counted = joined["mask"] == 1
        np.testing.assert_array_equal(joined["label"][counted], expected.label)
        np.testing.assert_allclose(joined["image"][counted], (expected.image / 255.0 - MEAN) / STD, atol=1e-5)
        assert pipe.evaluated("test") == 11 == counted.sum()
    pipe.close()


def test_mixed_evaluation_has_the_same_examples_in_a_fixed_order(sources):
    pipe, labels = stream(sources), sources["train"].labels
    feeds = [pipe.eval_feed("train", start, 8, mixed=True) for start in range(0, len(labels), 8)]
    found = np.concatenate([np.asarray(feed["label"])[np.asarray(feed["mask"]) == 1] for feed in feeds])
    np.testing.assert_array_equal(found, labels[mixing_order(len(labels))])
    pipe.close()


def test_the_next_batches_are_made_while_a_step_is_taken(sources):
    placed = []
    pipe = stream(sources, put=lambda tree: placed.append(tree) or tree)
    pipe.feed(0)
    deadline = time.monotonic() + 30
    while len(placed) < 1 + AHEAD and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(placed) == 1 + AHEAD
    pipe.close()


def test_threads_end_with_the_pipeline(sources):
    before = threading.active_count()
    pipe = stream(sources)
    pipe.feed(0)
    pipe.eval_feed("val", 0, 4)
    assert threading.active_count() > before
    pipe.close()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("jaxcnn-reader")]


def test_a_killed_worker_is_said_in_a_line(sources):
    pipe = stream(sources, workers=1)
    pipe.feed(0)
    for worker in multiprocessing.active_children():
        worker.kill()
    with pytest.raises(UserError, match=r"^a process that decodes images was killed[^\n]*data.workers, now 1[^\n]*$"):
        feeds(pipe, range(1, STEPS))


def test_batches_are_where_jax_takes_them_as_they_lie(sources):
    placed = []
    feeds(stream(sources, put=lambda tree: placed.append(tree) or tree), range(3))
    assert [tree["image"].ctypes.data % 64 for tree in placed] == [0] * len(placed)


@pytest.fixture
def broken(tmp_path):
    """Train and test with one image each that is cut short."""
    write_folder(tmp_path, {"train/ant": 9, "train/bee": 9, "test/ant": 2, "test/bee": 2})
    for path in (tmp_path / "train" / "ant" / "003.jpg", tmp_path / "test" / "bee" / "022.jpg"):
        path.write_bytes(path.read_bytes()[:-300])
    return open_dataset("folder", data_dir=tmp_path, validation=4).sources


def test_an_unreadable_image_is_named(broken):
    with pytest.raises(UserError, match=r"^[^\n]*003.jpg cannot be read: [^\n]+$"):
        feeds(stream(broken), range(3))
    with pytest.raises(UserError, match=r"^[^\n]*022.jpg cannot be read: [^\n]+$"):
        stream(broken).eval_feed("test", 0, 4)


def test_an_unreadable_image_is_left_out(broken):
    pipe = stream(broken, skip=True, crop=CENTRE)
    found = feeds(pipe, range(STEPS))["image"]
    held = hold(broken["train"], CENTRE, skip=True, stand_in=True).split
    device = device_pipeline(
        {"train": held}, batch_size=BATCH, seed=5, augment=parse_augment(""), mean=MEAN * 0, std=STD * 0 + 1
    )
    get_batch = jax.jit(device.train_batch)
    for step in range(3):
        expected = get_batch(device.feed(step), jnp.int32(step))["image"] * 255
        np.testing.assert_allclose(found[step * BATCH :][:BATCH], expected, atol=1e-3)
    mask = np.concatenate([pipe.eval_feed("test", start, 3)["mask"] for start in (0, 3)])
    assert mask.tolist() == [1, 1, 1, 0, 0, 0]
    assert pipe.evaluated("test") == 3
    assert {split: len(names) for split, names in pipe.skipped.items()} == {"train": 1, "test": 1}
    pipe.close()


def test_what_stands_in_for_an_unreadable_image_has_its_own_label():
    pairs = [(picture(number), number) for number in range(BATCH)]
    pairs[3] = b"gone", 3
    sources = {"train": make_source("train", pairs)}
    label = feeds(stream(sources, crop=CENTRE, skip=True), range(1))["label"]
    assert sorted(label.tolist()) == [0, 1, 2, 4, 4, 5, 6, 7]

"""The same training whatever the devices: jit and pmap, one to eight of them, in parts or whole."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn.augment import make_augment, parse_calls
from jaxcnn.data.feed.pipeline import DevicePipeline, Recipe
from jaxcnn.errors import UserError
from jaxcnn.models import create_model
from jaxcnn.train.devices.mesh import AXIS, in_turn, make_mesh, replicated
from jaxcnn.train.dispatch import make_dispatch
from jaxcnn.train.parts import metrics
from jaxcnn.train.parts.losses import make_loss
from jaxcnn.train.seeds import randomness_of
from jaxcnn.train.state import create_state
from jaxcnn.train.step import make_train_step

SHAPE, BATCH, STEPS = (8, 8, 1), 16, 20


def get_batch(feed, step, seed):
    """Images that differ with the step; the mean and the classes of the devices' parts differ too."""
    position = jnp.arange(BATCH, dtype=jnp.float32)
    image = jax.random.normal(jax.random.fold_in(jax.random.key(7), step), (BATCH, *SHAPE))
    return {"image": image * feed + position[:, None, None, None] / 8, "label": jnp.arange(BATCH) // 6}


@functools.cache
def augmented():
    """Three classes, sorted, so that the parts of a batch differ; moved, mirrored and mixed inside the step."""
    images = np.random.default_rng(0).integers(0, 256, (24, *SHAPE), np.uint8)
    augment = make_augment(parse_calls("shift(1), flip(), mixup(0.2)"), 3, (0.5,))
    mean, std = np.full(1, 0.5, np.float32), np.full(1, 0.25, np.float32)
    recipe = Recipe(batch_size=BATCH, seed=3, examples=24, augment=augment, mean=mean, std=std)
    split = {"image": jnp.asarray(images), "label": jnp.arange(24, dtype=jnp.int32) // 8}
    return DevicePipeline(arrays={"train": split}, recipe=recipe)


def train(
    devices, mapped, *, norm="batch", examples=None, dropout_rate=0.0, accumulate_steps=1, steps=STEPS, pipeline=None
):
    options = {} if norm != "batch" else {"examples": examples, "axis_name": AXIS if mapped else None}
    model = create_model(
        "lenet5", num_classes=3, features=(4,), hidden=(8,), smallest_image=1, norm=norm, norm_options=options,
        dropout_rate=dropout_rate,
    )  # fmt: skip
    tx = optax.sgd(0.1, momentum=0.9)
    step = make_train_step(
        apply_fn=model.apply, tx=tx, loss_fn=make_loss("softmax"), accumulate_steps=accumulate_steps,
        axis_name=AXIS if mapped else None, on_nonfinite="stop",
    )  # fmt: skip
    mesh = make_mesh(jax.devices()[:devices])
    batches = pipeline.train_batch if pipeline else get_batch
    dispatch = make_dispatch(step, batches, mesh, rolled=False, mapped=mapped)
    state = create_state(model, tx, SHAPE, jax.random.key(0), ema=False)
    put = functools.partial(jax.device_put, device=replicated(mesh))
    carry, losses = (jax.tree.map(jnp.copy, put(state)), put(metrics.zeros())), []
    randomness, feed = randomness_of(np.uint32(1)), pipeline.feed(0) if pipeline else jnp.float32(0.5)
    for _ in range(steps):
        carry = in_turn(
            mesh,
            dispatch(carry[0], put(metrics.zeros()), put(feed), put(randomness), num_steps=1),
        )
        losses.append(metrics.means([carry[1]])["loss"])
    assert dispatch._cache_size() == 1
    return carry[0], losses


CASES = [("batch", None), ("batch", 8), ("batch", 2), ("group", None), ("none", None)]


@functools.cache
def alone(norm, examples, pipeline=None):
    return train(1, mapped=False, norm=norm, examples=examples, pipeline=pipeline)


@pytest.mark.parametrize(("norm", "examples"), CASES)
@pytest.mark.parametrize(("devices", "mapped"), [(2, False), (8, False), (1, True), (2, True), (8, True)])
def test_every_way_trains_to_the_same_numbers(norm, examples, devices, mapped):
    state, losses = train(devices, mapped, norm=norm, examples=examples)
    assert_same(state, losses, *alone(norm, examples))


@pytest.mark.parametrize(
    ("norm", "examples"), [CASES[0], *(pytest.param(*case, marks=pytest.mark.slow) for case in CASES[1:])]
)
@pytest.mark.parametrize(("devices", "mapped"), [(2, False), (8, True)])
def test_so_it_does_with_augmentation_and_mixup_in_the_step(norm, examples, devices, mapped):
    state, losses = train(devices, mapped, norm=norm, examples=examples, pipeline=augmented())
    assert_same(state, losses, *alone(norm, examples, augmented()))


def assert_same(state, losses, expected, expected_losses):
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-4)
    kept, wanted = ((s.params, s.collections) for s in (state, expected))
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-4), kept, wanted)


@pytest.mark.parametrize("mapped", [False, True])
def test_with_dropout_a_run_repeats_itself_and_replicas_stay_equal(mapped):
    states = [train(8, mapped, dropout_rate=0.5, steps=5)[0] for _ in range(2)]
    jax.tree.map(np.testing.assert_array_equal, states[0].params, states[1].params)
    for leaf in jax.tree.leaves(states[0]):
        replicas = [np.asarray(shard.data) for shard in leaf.addressable_shards]
        assert len(replicas) == 8
        for replica in replicas[1:]:
            np.testing.assert_array_equal(replica, replicas[0])


def test_under_pmap_dropout_differs_from_device_to_device():
    one, other = train(2, True, dropout_rate=0.5, steps=1)[0], train(2, False, dropout_rate=0.5, steps=1)[0]
    assert any(np.any(a != b) for a, b in zip(jax.tree.leaves(one.params), jax.tree.leaves(other.params), strict=True))


@pytest.mark.parametrize(("devices", "mapped"), [(1, False), (2, False), (2, True)])
@pytest.mark.parametrize("norm", ["group", "none"])
def test_a_batch_taken_in_parts_is_the_batch_taken_whole(norm, devices, mapped):
    state, losses = train(devices, mapped, norm=norm, accumulate_steps=4)
    expected, expected_losses = alone(norm, None)
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-4)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-4), state.params, expected.params)


def test_batch_norm_of_a_part_sees_the_part():
    part, _ = train(1, False, accumulate_steps=2, steps=1)
    whole, _ = train(1, False, steps=1)
    assert (
        np.abs(part.collections["batch_stats"]["norm1"]["var"] - whole.collections["batch_stats"]["norm1"]["var"]).max()
        > 1e-6
    )


def test_groups_that_do_not_fit_the_devices_are_refused():
    with pytest.raises(UserError, match="among 12 examples, which must divide the 16, and the 8 of a device or be a"):
        train(2, True, examples=12, steps=1)

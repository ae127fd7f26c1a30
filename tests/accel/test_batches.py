"""Batches in the form of a platform: the same images, made by another program."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import AxisType, PartitionSpec

from jaxcnn.accel.batches import accelerate_batches
from jaxcnn.analysis.trace import _walk
from jaxcnn.augment import Draw, parse_augment
from jaxcnn.augment.stage import stage

DRAW = Draw.of(jax.random.key(0), 6)
LABELS = jnp.arange(6, dtype=jnp.int32)
VALUE = jnp.arange(3.0)


def images():
    return np.random.RandomState(0).randint(0, 256, (6, 9, 8, 3)).astype(np.uint8)


def counts(function, *operands):
    """Returns how many conditionals and barriers a function has when it is traced."""
    names = [equation.primitive.name for equation, _ in _walk(jax.make_jaxpr(function)(*operands).jaxpr, 1)]
    return names.count("cond"), names.count("optimization_barrier")


@pytest.mark.parametrize("text", ["shift(2), flip", "color_jitter(0.4), cutout(3, 'zero')"])
def test_the_same_images(text):
    augment = parse_augment(text)
    found, expected = (jax.jit(each)(DRAW, images(), LABELS) for each in (accelerate_batches(augment, "cpu"), augment))
    np.testing.assert_allclose(found[0], expected[0], atol=1e-3)
    np.testing.assert_array_equal(found[1], expected[1])


def test_a_platform_without_forms_has_the_plain_function():
    augment = parse_augment("shift(2), flip")
    assert accelerate_batches(augment, "gpu") is accelerate_batches(augment, "tpu") is augment
    assert counts(augment, DRAW, images(), LABELS)[0] == 0
    with jax.default_device(jax.devices("cpu")[0]):
        assert counts(accelerate_batches(augment), DRAW, images(), LABELS)[0] > 0


def test_the_value_of_a_barrier_is_not_fused_with_what_reads_it():
    keep = jax.jit(accelerate_batches(lambda value: lax.optimization_barrier(value * 2) + 1, "cpu"))
    np.testing.assert_array_equal(keep(VALUE), [1, 3, 5])
    assert "conditional(" in keep.lower(VALUE).compile().as_text()


def test_a_stage_is_not_fused_with_the_operations_around_it():
    def make(value):
        return stage(lambda: {"double": value * 2, "more": (value - 1, jax.nn.relu(value))})

    make = jax.jit(accelerate_batches(make, "cpu"))
    found = make(VALUE)
    np.testing.assert_array_equal(found["double"], [0, 2, 4])
    np.testing.assert_array_equal(found["more"][0], [-1, 0, 1])
    np.testing.assert_array_equal(found["more"][1], VALUE)
    assert "conditional(" in make.lower(VALUE).compile().as_text()


def test_one_conditional_for_each_stage_and_for_each_barrier_that_has_something_to_do():
    def two_stages(value):
        first = lax.optimization_barrier(stage(lambda: value * 2))  # stored already
        second = lax.optimization_barrier(first + 1)
        return stage(lambda: second * 3), first

    assert counts(two_stages, VALUE) == (0, 2)
    # each conditional has a barrier that hides its predicate
    assert counts(accelerate_batches(two_stages, "cpu"), VALUE) == (3, 3)


def test_barriers_inside_of_calls_are_found():
    @jax.jit
    def inner(value):
        return jax.jit(lambda value: lax.optimization_barrier(value) + 1)(value) * 2

    assert counts(accelerate_batches(inner, "cpu"), VALUE) == (1, 1)
    np.testing.assert_array_equal(jax.jit(accelerate_batches(inner, "cpu"))(VALUE), [2, 4, 6])


def test_keys_and_settings_pass_through():
    def make(keys, step, *, size):
        return jax.random.uniform(lax.optimization_barrier(keys)[0], (size,)) + step

    key = jax.random.split(jax.random.key(0), 2)
    found = jax.jit(accelerate_batches(make, "cpu"), static_argnames="size")(key, jnp.float32(1), size=3)
    np.testing.assert_allclose(found, make(key, 1, size=3))


def test_it_goes_with_vmap():
    def make(seed):
        return stage(lambda: jax.random.uniform(jax.random.key(seed), (2,)))

    seeds = jnp.arange(3)
    found = jax.jit(jax.vmap(accelerate_batches(make, "cpu")))(seeds)
    np.testing.assert_array_equal(found, jax.vmap(make)(seeds))


def test_it_goes_with_shard_map():
    mesh = jax.make_mesh((2,), ("batch",), axis_types=(AxisType.Auto,), devices=jax.devices()[:2])
    split = PartitionSpec("batch")

    def make(x):
        return stage(lambda: lax.optimization_barrier(x * 2) + 1)

    found = jax.shard_map(accelerate_batches(make, "cpu"), mesh=mesh, in_specs=split, out_specs=split)
    np.testing.assert_array_equal(jax.jit(found)(jnp.arange(4.0)), [1, 3, 5, 7])

import math
from fractions import Fraction

import numpy as np
import optax
import pytest

from jaxcnn.config.durations import parse_boundaries
from jaxcnn.errors import UserError
from jaxcnn.train.parts.schedules import SCHEDULES, Shape, make_schedule

SHAPE = Shape(total=100, every=5, boundaries=(10, 14, 18), factor=0.5, end_factor=0.1)
EXPECTED = {
    "constant": lambda s: 1.0,
    "step": lambda s: 0.5 ** (s // 5),
    "multistep": lambda s: 0.5 ** sum(s >= b for b in (10, 14, 18)),
    "exponential": lambda s: 0.5 ** (s / 5),
    "cosine": lambda s: 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * min(s / 100, 1))),
    "linear": lambda s: 1 - 0.9 * min(s / 100, 1),
    "cosine_restarts": lambda s: 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * (s % 5) / 5)),
    "one_cycle": lambda s: one_cycle(s),
}


def one_cycle(step):
    """Returns the share of the peak: from 1/25 up to 1 at 30 of 100 steps, and down to 1/250,000, by two cosines."""
    share = min(step, 30) / 30 if step < 30 else (min(step, 100) - 30) / 70
    start, end = (1 / 25, 1.0) if step < 30 else (1.0, 1 / 250_000)
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * share))


def values(schedule, steps):
    return np.array([float(schedule(np.int32(step))) for step in steps])


def test_every_schedule_has_its_formula():
    assert set(EXPECTED) == set(SCHEDULES)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_formula(name):
    steps = [0, 1, 4, 5, 9, 10, 11, 14, 18, 50, 99, 100, 130]
    schedule = make_schedule(name, 0.2, SHAPE)
    np.testing.assert_allclose(values(schedule, steps), [0.2 * EXPECTED[name](s) for s in steps], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_warmup_rises_and_the_boundaries_stay_where_they_are(name):
    warm = make_schedule(name, 0.2, Shape(total=100, warmup=4, every=5, boundaries=(10,), factor=0.5))
    np.testing.assert_allclose(values(warm, range(4)), 0.2 * np.arange(1, 5) / 5, rtol=1e-6)
    if name == "multistep":
        np.testing.assert_allclose(values(warm, [9, 10]), [0.2, 0.1], rtol=1e-6)
    if name in ("cosine", "linear"):
        np.testing.assert_allclose(values(warm, [4, 100]), [0.2, 0.0], atol=1e-7)


def test_restarts_that_grow():
    """Cosines over 5, 10, 20, ... steps, each from the peak."""
    schedule = make_schedule("cosine_restarts", 1.0, Shape(total=60, warmup=3, every=5, growth=2))
    np.testing.assert_allclose(values(schedule, [3, 8, 18, 38]), 1.0, rtol=1e-6)
    np.testing.assert_allclose(values(schedule, [13, 28, 58]), 0.5, rtol=1e-6)
    assert all(values(schedule, [7, 17, 37]) < [0.1, 0.03, 0.01])


@pytest.mark.parametrize("boundaries", [(4, 4, 8), (8, 4, 4)])
def test_a_boundary_that_comes_twice_counts_twice(boundaries):
    schedule = make_schedule("multistep", 1.0, Shape(total=20, boundaries=boundaries, factor=0.1))
    np.testing.assert_allclose(values(schedule, [0, 3, 4, 7, 8, 19]), [1, 1, 0.01, 0.01, 0.001, 0.001], rtol=1e-5)


def test_a_boundary_at_the_start_counts_and_one_beyond_the_end_does_not():
    schedule = make_schedule("multistep", 1.0, Shape(total=4, warmup=0, boundaries=(0, 9), factor=0.5))
    np.testing.assert_allclose(values(schedule, [0, 3]), [0.5, 0.5])


def test_epochs_that_end_at_the_same_step_stay_as_many():
    assert parse_boundaries("key", "0.5, 0.6, 2 epochs", Fraction(3, 2)) == [1, 1, 3]


@pytest.mark.parametrize("text", ["4,,8 steps", ", 8", ",,"])
def test_a_boundary_that_is_missing_is_no_silence(text):
    with pytest.raises(UserError, match="something is missing before a comma"):
        parse_boundaries("key", text, Fraction(1))


def test_the_lab_schedule_divides_by_one_and_a_half_every_five_epochs():
    schedule = make_schedule("step", 0.25, Shape(total=20, every=5, factor=1 / 1.5))
    np.testing.assert_allclose(values(schedule, [4, 5, 10]), [0.25, 0.25 / 1.5, 0.25 / 2.25], rtol=1e-6)


def test_the_first_step_after_the_warmup_has_the_schedules_own_rate():
    schedule = make_schedule("step", 1.0, Shape(total=20, warmup=5, every=5, factor=0.5))
    np.testing.assert_allclose(values(schedule, [4, 5]), [5 / 6, 0.5], rtol=1e-6)


def test_a_schedule_of_a_users_own_is_what_follows_the_warm_up_or_the_whole():
    made = make_schedule("tests.own_parts:sawtooth", 0.2, Shape(total=100, warmup=2, every=4))
    np.testing.assert_allclose(values(made, range(6)), 0.2 * np.array([1 / 3, 2 / 3, 0.5, 0.25, 1, 0.75]), rtol=1e-6)
    whole = make_schedule(optax.exponential_decay(1.0, 2, 0.5, staircase=True), 0.2, SHAPE)
    assert values(whole, range(5)).tolist() == [1, 1, 0.5, 0.5, 0.25]
    with pytest.raises(UserError, match=r"warmup must be 0: tests.own_parts:staircase is a function of the step"):
        make_schedule("tests.own_parts:staircase", 0.2, Shape(total=100, warmup=2))

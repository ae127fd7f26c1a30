"""From the lengths of a config to steps."""

from fractions import Fraction

import pytest

from jaxcnn.errors import UserError
from jaxcnn.train.lengths import peak_rate, schedule_shape, steps_of
from jaxcnn.train.settings import read_settings
from tests.train.small_runs import config


def test_a_part_of_a_step_is_a_step():
    assert steps_of(None, 1.5, Fraction(5), 8) == 8
    assert steps_of(None, 2.0, Fraction(5), 8) == 10


def test_the_learning_rate_grows_with_the_batch():
    assert peak_rate(0.1, 8, 32) == 0.1 * 8 / 32
    assert peak_rate(0.1, 8, None) == 0.1


@pytest.mark.parametrize(
    ("key", "text"), [("warmup", "1e10"), ("every", "9999999999 steps"), ("boundaries", "10, 1e9 epochs")]
)
def test_a_schedule_has_no_more_steps_than_can_be_counted(key, text):
    with pytest.raises(UserError, match=rf"schedule.{key} is '{text}': it is more than 2147483647 steps"):
        schedule_shape(read_settings(config(**{f"schedule.{key}": text}), {}).schedule, Fraction(20), 100)

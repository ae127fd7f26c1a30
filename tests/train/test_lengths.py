"""From the lengths of a config to steps."""

from fractions import Fraction

import pytest

from jaxcnn.errors import UserError
from jaxcnn.train.lengths import peak_rate, schedule_shape, total_steps
from tests.train.small_runs import config


def test_a_part_of_a_step_is_a_step():
    assert total_steps(config(total_steps=None, total_epochs=1.5), Fraction(5)) == 8
    assert total_steps(config(total_steps=None, total_epochs=2.0), Fraction(5)) == 10


def test_the_learning_rate_grows_with_the_batch():
    assert peak_rate(config(**{"optimizer.learning_rate": 0.1, "optimizer.reference_batch_size": 32})) == 0.1 * 8 / 32
    assert peak_rate(config(**{"optimizer.learning_rate": 0.1})) == 0.1


@pytest.mark.parametrize(
    ("key", "text"), [("warmup", "1e10"), ("every", "9999999999 steps"), ("boundaries", "10, 1e9 epochs")]
)
def test_a_schedule_has_no_more_steps_than_can_be_counted(key, text):
    with pytest.raises(UserError, match=rf"schedule.{key} is '{text}': it is more than 2147483647 steps"):
        schedule_shape(config(**{f"schedule.{key}": text}), Fraction(20), 100)

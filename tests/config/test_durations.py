from fractions import Fraction

import pytest

from jaxcnn.config.durations import next_due, parse_boundaries, parse_duration, parse_period
from jaxcnn.errors import UserError

EPOCH = Fraction(1297, 64)


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("500", 500),
        ("500 steps", 500),
        ("1 step", 1),
        ("2epochs", 2 * EPOCH),
        (" 0.5 epochs ", EPOCH / 2),
        ("0", 0),
        ("1e3", 1000),
        ("1.5e1 steps", 15),
        ("1e1epochs", 10 * EPOCH),
    ],
)
def test_a_length_is_exact(text, steps):
    assert parse_duration("key", text, EPOCH) == steps


@pytest.mark.parametrize(
    "text", ["", "epochs", "-1 epochs", "5 minutes", "2.5 steps", "1e", "1e999", "2.55e1", "one epoch"]
)
def test_anything_else_is_refused_with_the_key(text):
    with pytest.raises(UserError, match="log_every"):
        parse_duration("log_every", text, EPOCH)


def test_a_period_is_at_least_a_step():
    with pytest.raises(UserError, match="at least one step"):
        parse_period("eval_every", "0 steps", EPOCH)
    with pytest.raises(UserError, match="at least one step"):
        parse_period("eval_every", "0.01 epochs", EPOCH)


def test_boundaries_share_the_last_unit():
    assert parse_boundaries("b", "10, 14, 18 epochs", Fraction(10)) == [100, 140, 180]
    assert parse_boundaries("b", "10, 20", Fraction(10)) == [10, 20]
    assert parse_boundaries("b", "", Fraction(10)) == []


def test_due_steps_follow_the_exact_epochs():
    due, step = [], 0
    while len(due) < 300:
        step = next_due(step, EPOCH)
        due.append(step)
    assert due == [-(-1297 * epoch // 64) for epoch in range(1, 301)]


def test_due_after_any_step_does_not_depend_on_what_was_done_before():
    steps = sorted({next_due(step, Fraction(5, 2)) for step in range(20)})
    assert steps == [3, 5, 8, 10, 13, 15, 18, 20]

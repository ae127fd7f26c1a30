"""The space of a sweep, as files and dictionaries have it."""

import pytest

from jaxcnn.errors import UserError
from jaxcnn.sweeping.space import Choice, Interval, make_space, read_space

FILE = """
batch_size = [32, 64]
"model.norm" = ["batch", "group"]

[optimizer]
learning_rate = {low = 1e-4, high = 1, log = true}

[schedule]
warmup = ["0 steps", "1 epoch"]
"""


def test_a_file_is_read(tmp_path):
    (tmp_path / "space.toml").write_text(FILE)
    assert read_space(tmp_path / "space.toml") == (
        Choice(key="batch_size", texts=("32", "64")),
        Choice(key="model.norm", texts=("batch", "group")),
        Interval(key="optimizer.learning_rate", low=1e-4, high=1, log=True, whole=False),
        Choice(key="schedule.warmup", texts=("0 steps", "1 epoch")),
    )


def test_a_number_has_the_kind_of_its_setting_or_of_its_ends():
    space = {
        "optimizer.learning_rate": {"low": 1, "high": 2},
        "batch_size": {"low": 8, "high": 64, "log": True},
        "model.fields.depth": {"low": 1, "high": 4},
        "model.fields.width": {"low": 0.5, "high": 2},
    }
    assert [each.whole for each in make_space(space)] == [False, True, True, False]


def test_a_value_can_be_typed_again():
    rate = Interval(key="optimizer.learning_rate", low=1e-4, high=0.3, log=True, whole=False)
    assert rate.text(0.012345678) == "0.01235"
    assert rate.text(0.29999999) == "0.3"
    narrow = Interval(key="optimizer.learning_rate", low=0.100004, high=0.100005, log=True, whole=False)
    assert narrow.low <= float(narrow.text(0.1000049)) <= narrow.high  # rounded it would be outside


@pytest.mark.parametrize(
    ("space", "says"),
    [
        ({}, "space names no setting: write"),
        ({"optimizer": {"learning_rat": [1]}}, "there is no config key 'optimizer.learning_rat': did you mean"),
        ({"batch_size": 8}, "space: batch_size is 8: write"),
        ({"batch_size": []}, "space: batch_size is []: write"),
        ({"batch_size": [8, 8]}, "space: batch_size has a value twice"),
        ({"batch_size": ["many"]}, "space: --config.batch_size=many: it must be a whole number"),
        ({"batch_size": [0]}, "space: batch_size is 0: it must be a whole number"),
        ({"model.norm": ["bath"]}, "space: unknown norm 'bath': did you mean batch"),
        ({"model.norm": {"low": 1, "high": 2}}, "space: model.norm is no number: list its values"),
        ({"optimizer.learning_rate": {"low": 1}}, "space: optimizer.learning_rate has low: an interval has low and"),
        ({"optimizer.learning_rate": {"low": 2, "high": 1}}, "space: optimizer.learning_rate is from 2 to 1: both"),
        ({"optimizer.learning_rate": {"low": 0, "high": 1, "log": True}}, "space: optimizer.learning_rate begins at 0"),
        ({"optimizer.learning_rate": {"low": 0.1, "high": 1, "step": 3}}, "space: optimizer.learning_rate has low,"),
        ({"seed": [1, 2]}, "space: seed is set by the sweep itself"),
        ({"lr": [1]}, "there is no config key 'lr': did you mean optimizer.learning_rate"),
    ],
)
def test_a_wrong_space_is_one_line(space, says):
    with pytest.raises(UserError) as caught:
        make_space(space)
    assert str(caught.value).startswith(says)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_toml_is_named(tmp_path):
    (tmp_path / "space.toml").write_text("batch_size = [")
    with pytest.raises(UserError, match=r"space\.toml cannot be read: "):
        read_space(tmp_path / "space.toml")
    with pytest.raises(UserError, match=r"none\.toml cannot be read: "):
        read_space(tmp_path / "none.toml")

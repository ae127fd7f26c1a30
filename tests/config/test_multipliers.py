"""Factors of learning rate and weight decay as they are typed, in a file, and as a run folder keeps them."""

import json

import pytest

from jaxcnn.command_line import take_apart
from jaxcnn.config import base_config
from jaxcnn.config.check import check, frozen
from jaxcnn.config.file import from_plain
from jaxcnn.config.multipliers import parse_multipliers, read_multipliers
from jaxcnn.errors import UserError

KEY = "optimizer.multipliers"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("classifier=10,stem=0.1:0", (("classifier", 10.0), ("stem", 0.1, 0.0))),
        (" a|b = 1e-2 : .5 , .*/bias=2,", (("a|b", 0.01, 0.5), (".*/bias", 2.0))),
        (r"(?:a|b){1,2}=3,x=1", ((r"(?:a|b){1,2}", 3.0), ("x", 1.0))),
        ("", ()),
    ],
)
def test_an_entry_ends_with_its_numbers(text, meant):
    assert read_multipliers(text) == meant


@pytest.mark.parametrize("text", ["classifier", "classifier=", "=1", "a=x", "a=1:2:3"])
def test_what_is_no_entry_is_refused_on_the_command_line(text):
    with pytest.raises(UserError, match="it must be patterns with factors, as 'classifier=10"):
        take_apart([f"--config.{KEY}={text}"]).config("digits_lenet5")


def test_the_command_line_a_file_and_a_run_folder_mean_the_same():
    typed, _ = take_apart([f"--config.{KEY}=classifier=10,stem=0.1:0"]).config("digits_lenet5")
    written = base_config()
    written.optimizer.multipliers = (("classifier", 10), ("stem", 0.1, 0))
    kept, _ = from_plain(json.loads(json.dumps(typed.to_dict())), "config.json")
    expected = (("classifier", 10.0, 1.0), ("stem", 0.1, 0.0))
    for config in (typed, written, kept):
        config = frozen(config)
        check(config)
        assert parse_multipliers(KEY, config.optimizer.multipliers) == expected


@pytest.mark.parametrize(
    "value", [(("classifier",),), ((10, "classifier"),), (("a", 1, 2, 3),), (("a", True),), ("a",)]
)
def test_other_tuples_are_refused_by_the_name_of_the_key(value):
    config = base_config()
    config.optimizer.multipliers = value
    with pytest.raises(UserError, match=f"{KEY} is .*: it must be patterns with factors"):
        frozen(config)


def test_a_factor_of_nothing_is_refused_before_a_net_is_made():
    config = base_config()
    config.optimizer.multipliers = (("stem", 0),)
    with pytest.raises(UserError, match="a rate of 0, which costs as much as training"):
        check(frozen(config))

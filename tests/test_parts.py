import functools
import json
import operator

import pytest

from jaxcnn.errors import UserError
from jaxcnn.parts import find_part, is_path, part_name, required_positions

TABLE = {"softmax": abs, "binary": len}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Returns a folder whose modules Python finds, during the test."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def refused(value, table=TABLE):
    with pytest.raises(UserError) as caught:
        find_part("loss", value, table)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_word_a_path_and_an_object_stand_for_the_same():
    assert find_part("loss", "softmax", TABLE) is abs
    assert find_part("loss", "builtins:abs", TABLE) is abs
    assert find_part("loss", abs, TABLE) is abs


def test_a_path_may_lead_into_a_class():
    assert find_part("loss", "json:JSONDecoder.decode", TABLE) is json.JSONDecoder.decode


def test_a_module_of_the_users_is_imported(package):
    (package / "own_losses.py").write_text("def mine(logits, label): return logits\n")
    assert find_part("loss", "own_losses:mine", TABLE)(3, 4) == 3


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("softmx", "unknown loss 'softmx': did you mean softmax?"),
        ("nowhere.losses:mine", "there is no module nowhere; it must be installed, on PYTHONPATH or in the current"),
        ("json.nowhere:mine", "there is no module json.nowhere"),
        ("json:dmps", "module json has no dmps; did you mean dumps or dump?"),
        ("json:JSONDecoder.decod", "json.decoder:JSONDecoder has no decod; did you mean decode"),
        ("json:decoder", "is no function and no class: it is of type module"),
        ("json.dumps", "a path has a colon before its last name, json:dumps"),
        ("own losses:mine", "a path is written as package.module:name"),
        (":mine", "a path is written as package.module:name"),
        (3, "loss is 3: it must be a word, a path package.module:name, or a callable"),
        (None, "loss is None"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(value, says):
    assert says in refused(value)


def test_where_there_are_no_words_a_path_is_asked_for():
    assert refused("mine", {}) == "loss is 'mine': it must be a path, as package.module:name"


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import lacking_library", "broken imports lacking_library, which is not installed"),
        ("x = 1\nraise ValueError('two\\nlines')", "broken.py:2: ValueError: two lines"),
        ("x = (", "broken.py:1: SyntaxError: '(' was never closed"),
    ],
)
def test_a_module_that_cannot_be_imported_says_why_and_where(package, code, says):
    (package / "broken.py").write_text(code)
    assert says in refused("broken:mine")


def test_a_version_of_a_data_set_is_no_path():
    assert is_path("my.data:load")
    assert not any(map(is_path, ["mnist:3.0.1", "mnist", "gs://bucket/mnist", None, "C:/data", ":load", "data:"]))


def test_parts_have_names():
    assert part_name("softmax") == "softmax"
    assert part_name(abs) == "builtins:abs"
    assert part_name(functools.partial(json.JSONDecoder, strict=False)) == "json.decoder:JSONDecoder"
    assert part_name(operator.itemgetter(1)) == "operator:itemgetter"


def test_positions_that_must_be_given():
    assert required_positions(lambda rate, decay=0.1, *, mask=None: 0) == 1
    assert required_positions(lambda settings, rate: 0) == 2

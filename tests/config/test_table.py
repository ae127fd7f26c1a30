"""What the table of settings says of itself: every row can be used as it stands."""

import pytest

from jaxcnn.config import base_config
from jaxcnn.config.check import check, frozen
from jaxcnn.config.kinds import NUMBERS, TEXTS
from jaxcnn.config.setting import Setting, Words
from jaxcnn.config.table import SETTINGS
from jaxcnn.config.table.data import DATA
from jaxcnn.config.table.learning import LEARNING
from jaxcnn.config.table.model import MODEL
from jaxcnn.config.table.run import RUN
from jaxcnn.config.table.schedule import SCHEDULE
from jaxcnn.errors import UserError
from jaxcnn.ranges import Range, above, at_least, below

by_key = pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)


def test_no_setting_stands_twice():
    assert len(SETTINGS) == len([*RUN, *MODEL, *DATA, *LEARNING, *SCHEDULE])


@by_key
def test_the_default_is_a_value_that_the_setting_may_have(setting):
    assert (setting.default is None) == setting.optional
    setting.check_kind(setting.default)
    setting.check(setting.default)


@by_key
def test_a_row_is_written_as_sentences(setting):
    assert setting.about[0].isupper()
    assert setting.about.endswith(".")
    assert not setting.none.endswith(".")


@by_key
def test_the_words_are_in_the_table_that_is_named(setting):
    if setting.words and setting.words.known:  # hooks have no words: they are paths
        assert all(isinstance(word, str) for word in setting.words.known)
        with pytest.raises(UserError, match=f"^unknown {setting.words.noun} 'no such': "):
            setting.check("no such")


def test_no_setting_has_an_alias_that_is_a_key():
    assert not {alias for setting in SETTINGS.values() for alias in setting.aliases.split()} & SETTINGS.keys()


def test_the_defaults_are_a_config_that_passes():
    check(frozen(base_config()))


def test_a_key_that_is_missing_is_said():
    config = base_config()
    with config.unlocked():
        del config.ema
    with pytest.raises(UserError, match=r"^the config has no ema\.decay: a config is base_config\(\) with changes$"):
        frozen(config)


@pytest.mark.parametrize(
    ("within", "inside", "outside", "said"),
    [
        (at_least(1), [1, 2.5, 1e300], [0.999, float("inf"), float("nan"), True, "1", None], "[1, inf)"),
        (above(0), [1e-320], [0, -0.0], "(0, inf)"),
        (below(1), [0, 0.999], [1, -1e-9], "[0, 1)"),
        (Range(0, 255), [0, 255], [256, -1], "[0, 255]"),
        (Range(-1, 1, without_low=True), [1], [-1], "(-1, 1]"),
    ],
)
def test_a_range_has_its_ends_or_not(within, inside, outside, said):
    assert str(within) == said
    assert [value for value in inside if value not in within] == []
    assert [value for value in outside if value in within] == []


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (TEXTS, "accuracy, top5", ("accuracy", "top5")),
        (TEXTS, "accuracy", ("accuracy",)),
        (TEXTS, "my.hooks:Stop,", ("my.hooks:Stop",)),
        (TEXTS, '["a", "b, c"]', ("a", "b, c")),
        (TEXTS, "('a',)", ("a",)),
        (TEXTS, "", ()),
        (NUMBERS, "1, 0.5", (1.0, 0.5)),
        (NUMBERS, "[1, 2]", (1, 2)),
        (NUMBERS, "3", (3.0,)),
    ],
)
def test_several_values_in_a_text(kind, text, value):
    assert kind.read(text) == value
    assert kind.holds(value)


@pytest.mark.parametrize(("kind", "text"), [(TEXTS, "a,,b"), (TEXTS, "[1]"), (NUMBERS, "1, x"), (NUMBERS, "[true]")])
def test_a_text_that_is_no_list_of_such_values(kind, text):
    with pytest.raises(ValueError):  # noqa: PT011
        kind.read(text)


def test_each_of_several_values_is_checked():
    several = Setting(
        key="metrics", kind=TEXTS, default=(), about="", words=Words("metric", ("accuracy", "top5"), path=True)
    )
    several.check(("accuracy", "math:hypot"))
    with pytest.raises(UserError, match=r"^metric 'math:hypo': module math has no hypo; did you mean hypot"):
        several.check(("math:hypo",))
    with pytest.raises(UserError, match=r"^unknown metric 'top6': did you mean top5"):
        several.check(("accuracy", "top6"))
    weights = Setting(key="weights", kind=NUMBERS, default=(), about="", within=at_least(0))
    with pytest.raises(UserError, match=r"^weights is -1: it must be a number in \[0, inf\)"):
        weights.check((1, -1))

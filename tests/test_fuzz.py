"""Whatever is asked for, a run trains or ends in one line: settings drawn at random, sensible and not."""

import functools
import tempfile
from pathlib import Path

import jax
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from ml_collections import ConfigDict

from jaxcnn import main
from jaxcnn.config import base_config
from jaxcnn.config.table import SETTINGS
from jaxcnn.errors import UserError
from jaxcnn.train.loop import train_and_evaluate
from jaxcnn.train.setup import make_run

CONFIG_FILE = """
from jaxcnn.config import base_config

def get_config():
    config = base_config()
    config.batch_size = 32
    config.total_steps = 2
    config.tensorboard = False
    config.data.image_size = 8
    config.model.fields = {"features": (2,), "hidden": (), "kernel_size": 3, "smallest_image": 1}
    return config
"""
GARBAGE = ["", " ", "x", "None", "nan", "-1", "é", "a,b", "softmaxx", "\n", "%s", "'", "--", "../..", "0" * 300]
HUGE = [
    "1e300",
    "-1e300",
    "99999999999999999999",
    "4294967295",
    "4294967296",
    "2147483648",
    "1e-320",
    "1e-30",
    "3.4e38",
]
NUMBERS = st.one_of(
    st.sampled_from(
        ["0", "1", "2", "4", "8", "0.5", "0.9", "0.999999999", "-0.0", "inf", "-inf", "1_0", "0x10", "1e-3"]
    ),
    st.sampled_from(HUGE),
    st.sampled_from(GARBAGE),
    st.floats().map(str),
    st.floats(0, 1).map(str),
    st.integers(-(2**70), 2**70).map(str),
    st.integers(0, 64).map(str),
)
COUNTS = st.one_of(st.sampled_from(["8", "16", "32", "64"]), NUMBERS)
SWITCHES = st.sampled_from(["true", "false", "1", "0", "maybe", ""])
LENGTHS = st.one_of(
    st.sampled_from(
        ["0 steps", "1 steps", "1", "2 step", "0.5 steps", "2.5 epochs", "1 epoch", ".1 epochs", "1e3 steps"]
    ),
    st.builds("{} {}".format, NUMBERS, st.sampled_from(["steps", "epochs", "step", "epoch", "minutes"])),
    st.builds("{}.{} epochs".format, st.integers(0, 10**30), st.integers(0, 10**30)),
    st.integers(0, 10**40).map("{} steps".format),
    st.sampled_from(GARBAGE),
)
LISTS = st.one_of(
    st.lists(LENGTHS, max_size=3).map(", ".join), st.sampled_from(["1, 1 steps", "2, 1 steps", ",,", "0"])
)
AUGMENTS = st.one_of(
    st.sampled_from(["", "flip()", "shift(1)", "shift(2), flip()", "shift(1, fill='edge')", "shift(99)", "shift(-1)"]),
    st.sampled_from(
        ["shift(True)", "shift(1e9)", "shift(10**9)", "flip", "flip(", "flip(),,", "shift(*[1])", "1", "(,)"]
    ),
    st.sampled_from(
        ["__import__('os').abort()", "shift(pixels=1, pixels=2)", "shift(**{})", "flip(flip())", "(" * 300]
    ),
    st.lists(
        st.sampled_from(
            ["flip()", "shift(1)", "shift(0)", "random_resized_crop(8)", "mixup(0.2)", "cutout(3)", "cutout(1e999)"]
        ),
        max_size=4,
    ).map(",".join),
    st.text(max_size=8),
)

VIEWS = st.sampled_from(
    [
        "",
        "flip",
        "flip()",
        "ten_crop(8)",
        "ten_crop(6)",
        "ten_crop(9)",
        "ten_crop",
        "scales(8, 6)",
        "scales()",
        "x(",
        "é",
    ]
)


def words(known):
    return st.one_of(st.sampled_from(sorted(known)), st.sampled_from(sorted(known)), st.sampled_from(GARBAGE))


SPECIAL = {
    "total_steps": st.sampled_from(["1", "2", "3", "0", "-1", "x", "2.5", "1000000000", "99999999999999999999"]),
    "batch_size": COUNTS,
    "eval_batch_size": COUNTS,
    **{key: words(setting.words.known) for key, setting in SETTINGS.items() if setting.words and setting.words.known},
    **dict.fromkeys(["log_every", "eval_every", "checkpoint_every", "schedule.warmup", "schedule.every"], LENGTHS),
    "schedule.boundaries": LISTS,
    "model.name": words(["lenet5", "lenet5_relu", "mlp1"]),
    "data.name": words(["digits", "digits", "mnist"]),
    "hooks": words(["nothing_here:Hook", "os:getcwd"]),
    "data.dir": words(["/nowhere", "/dev/null", "~"]),
    "data.image_size": st.one_of(st.integers(1, 16).map(str), st.sampled_from(["0", "-1", "1025", "9999999999", "x"])),
    "data.augment": AUGMENTS,
    "data.workers": st.sampled_from(["0", "0", "1", "-1", "257", "x", "1.5"]),
    "data.repeats": st.sampled_from(["1", "2", "0", "-1", "65", "x"]),
    "eval_views": VIEWS,
}


def keys(config, prefix=""):
    for key, value in config.items():
        if prefix + key != "model.fields":
            yield from keys(value, f"{prefix}{key}.") if isinstance(value, ConfigDict) else [(prefix + key, value)]


def texts(key, default):
    return SPECIAL.get(key, SWITCHES if isinstance(default, bool) else NUMBERS)


def overrides(most):
    pairs = st.sampled_from(list(keys(base_config()))).flatmap(lambda item: st.tuples(st.just(item[0]), texts(*item)))
    return st.lists(pairs, min_size=1, max_size=most, unique_by=lambda pair: pair[0])


VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**66), 2**66),
    st.integers(-2, 16),
    st.floats(),
    st.floats(0, 2),
    st.none(),
    st.sampled_from([*GARBAGE, "batch", "adam", "1 epoch", (), (1, 2), [3], {}, {"a": 1}, b"x", 1j, object, {1}]),
)
FIELDS = st.dictionaries(
    st.sampled_from(["features", "hidden", "kernel_size", "padding", "smallest_image", "norm", "num_classes", "name",
                     "parent", "dtype", "pool", "act", "nonsense", "é", ""]),
    st.one_of(VALUES, st.lists(st.integers(-1, 4), max_size=3), st.integers(0, 4)),
    min_size=1, max_size=3,
)  # fmt: skip


def parsed(*arguments):
    """Returns the config of a command line."""
    return main.parse(arguments).config


def answer(action):
    """Returns whether `action` went through; a `UserError` of one line is the only other end."""
    try:
        action()
    except UserError as error:
        line = str(error)
        assert line.strip(), "an error that says nothing"
        assert len(line.splitlines()) == 1, line
        assert len(line) < 1500, line
        return False
    return True


@functools.cache
def folder():
    path = Path(tempfile.mkdtemp(prefix="fuzz"))
    (path / "config.py").write_text(CONFIG_FILE)
    return path


def trained(config):
    with tempfile.TemporaryDirectory(dir=folder()) as workdir:
        train_and_evaluate(config, Path(workdir) / "run")
    jax.clear_caches()


def from_command_line(pairs, action):
    arguments = [f"--config.{key}={value}" for key, value in pairs]
    action(parsed(f"--config={folder()}/config.py", "--workdir=w", *arguments))


def from_a_file(changes, fields, action):
    config = base_config()
    config.batch_size, config.total_steps, config.tensorboard, config.data.image_size = 32, 2, False, 8
    config.model.fields = {"features": (2,), "hidden": (), "kernel_size": 3, "smallest_image": 1}
    try:
        for key, value in changes:
            *parts, last = key.split(".")
            setattr(functools.reduce(getattr, parts, config), last, value)
        config.model.fields.update(fields)
    except (AttributeError, TypeError, ValueError, KeyError):  # which the command line reports with file and line
        assume(False)
    action(config)


ANY_KEY = st.lists(
    st.tuples(st.sampled_from([key for key, _ in keys(base_config())]), VALUES), max_size=3, unique_by=lambda x: x[0]
).filter(lambda pairs: all(small(*pair) for pair in pairs))


def small(key, value):
    """Whether a run with it is over soon, if it begins at all."""
    most = {"total_steps": 3, "total_epochs": 1, "data.image_size": 32}.get(key)
    return most is None or not isinstance(value, int | float) or not most < value < 1e9


def cases(number):
    return settings(
        max_examples=number, deadline=None, derandomize=True, database=None, print_blob=False,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip


@given(overrides(2))
@cases(40)
def test_any_command_line_is_understood_or_answered_in_one_line(pairs):
    answer(lambda: from_command_line(pairs, make_run))


@given(ANY_KEY, st.one_of(st.just({}), FIELDS))
@cases(40)
def test_any_config_file_is_understood_or_answered_in_one_line(changes, fields):
    answer(lambda: from_a_file(changes, fields, make_run))


@given(overrides(1))
@cases(3)
def test_any_setting_trains_or_is_answered_in_one_line(pairs):
    answer(lambda: from_command_line(pairs, trained))


@pytest.mark.slow
@given(overrides(4))
@cases(400)
def test_many_command_lines_train_or_are_answered_in_one_line(pairs):
    answer(lambda: from_command_line(pairs, trained))


@pytest.mark.slow
@given(ANY_KEY, st.one_of(st.just({}), FIELDS))
@cases(200)
def test_many_config_files_train_or_are_answered_in_one_line(changes, fields):
    answer(lambda: from_a_file(changes, fields, trained))

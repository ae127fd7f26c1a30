"""The settings of a run are listed as the table of them has them."""

import pytest

from jaxcnn import main as trainer
from jaxcnn.commands import settings
from jaxcnn.config.kinds import TEXTS
from jaxcnn.config.setting import Setting, Words
from jaxcnn.config.table import GROUPS, SETTINGS
from jaxcnn.errors import UserError


def listed(capsys, *argv):
    """Returns the lines that are printed, each with single spaces."""
    assert settings.main(argv) == 0
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_all_are_listed(capsys):
    lines = listed(capsys)
    assert [line.split()[0] for line in lines if line.split()[0] in SETTINGS] == list(SETTINGS)


@pytest.mark.parametrize(
    ("pattern", "keys"),
    [
        ("loss", ["loss.name", "loss.label_smoothing", "loss.class_weights", "loss.aux_weight"]),
        ("*.epsilon", ["model.norm_options.epsilon", "optimizer.epsilon"]),
        ("lr", ["optimizer.learning_rate"]),
        ("seed", ["seed"]),
    ],
)
def test_some_are_listed_by_pattern_group_or_other_name(capsys, pattern, keys):
    assert [line.split()[0] for line in listed(capsys, pattern)[1:]] == keys


def test_a_row_says_all(capsys):
    row = listed(capsys, "data.workers")[1]
    assert row == (
        "data.workers 0 The processes that decode training images. 0: threads of this process. A resumed run may "
        "change it. Value: a whole number of processes in [0, 256]."
    )
    assert listed(capsys, "ema.decay", "--markdown")[2].startswith("| `ema.decay` | None | a number in [0, 1) | ")
    assert "Value: one of `jaxcnn models`, or" in listed(capsys, "model.name")[1]
    assert "None: as `total_epochs` says." in " ".join(listed(capsys, "total_steps"))


def test_words_and_paths_are_told_apart():
    words = Words("metric", ("accuracy", "top5"), path=True)
    cells = settings.cells(Setting(key="metrics", kind=TEXTS, default=("accuracy",), about="Metrics.", words=words))
    assert cells == ("metrics", "accuracy", "accuracy or top5, or `package.module:name`", "Metrics.")
    hooks = Setting(key="hooks", kind=TEXTS, default=(), about="Hooks.", words=Words("hook", (), path=True))
    assert settings.cells(hooks) == ("hooks", '""', "`package.module:name`", "Hooks.")


def test_what_no_setting_is_called_is_one_line():
    with pytest.raises(UserError, match=r"^no setting is called 'xyzzyq': `jaxcnn settings` lists all$"):
        settings.main(["xyzzyq"])


def test_every_group_has_a_title():
    assert {setting.group for setting in SETTINGS.values()} == set(GROUPS)


def test_the_help_of_training_has_a_line_for_each():
    lines = [line.split(maxsplit=1)[0] for line in trainer.make_parser().format_help().splitlines() if "=" in line]
    assert [line.partition("=")[0] for line in lines if line.partition("=")[0] in SETTINGS] == list(SETTINGS)

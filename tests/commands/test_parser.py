"""Options are spelt one way in all commands, and mean one thing."""

import errno
import os
import re
import tempfile

import pytest

from jaxcnn import runtime
from jaxcnn.commands.parser import CommandParser, new_file
from jaxcnn.commands.registry import COMMANDS, make_parsers
from jaxcnn.errors import UserError

PARSERS = make_parsers()
OPTIONS = [(command, name) for command, parser in PARSERS.items() for name in parser.options()]


def small():
    """A parser with an option of each kind."""
    parser = CommandParser("jaxcnn small", "About.")
    parser.add_argument("--data-dir")
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--plain", action="store_true")
    return parser


def test_every_command_is_among_them():
    assert {name.partition(" ")[0] for name in PARSERS} == set(COMMANDS)
    assert all(parser.prog == f"jaxcnn {name}" for name, parser in PARSERS.items())


@pytest.mark.parametrize(("command", "name"), OPTIONS)
def test_options_have_dashes_and_underscores_are_understood(command, name):
    if name == "--config.KEY":
        return
    assert re.fullmatch(r"--[a-z]+(-[a-z]+)*", name)
    assert PARSERS[command].spelt([name.replace("-", "_").replace("__", "--", 1), "x"]) == [name, "x"]


DIFFER = {"--output": {"DIR", "FILE"}, "--field": {"NAME", "NAME=VALUE"}}
"""What is written; a receptive field, and one of a net."""


@pytest.mark.parametrize("name", sorted({name for _, name in OPTIONS}))
def test_an_option_is_the_same_wherever_it_is(name):
    found = [parser.options()[name] for parser in PARSERS.values() if name in parser.options()]
    kinds = {(type(action), action.nargs, action.type, action.metavar) for action in found}
    assert len(kinds) == 1 or {kind[-1] for kind in kinds} == DIFFER.get(name)


def test_every_command_has_help_and_says_what_is_set(capsys):
    for parser in PARSERS.values():
        assert "-v, --verbose  " in parser.format_help()
        assert all(action.help for action in parser._actions)


def test_what_is_set_is_said_where_it_is_asked(monkeypatch, capsys):
    monkeypatch.setattr(runtime, "_made", {"XLA_FLAGS": "--xla_so"})
    small().parse_args([])
    assert capsys.readouterr() == ("", "")
    small().parse_args(["-v"])
    assert capsys.readouterr() == ("", "jaxcnn: for speed: XLA_FLAGS --xla_so (off: JAXCNN_TUNING=off)\n")


@pytest.mark.parametrize(
    "line",
    [
        ["--data-dir=a_b", "--batch-size=3", "--plain"],
        ["--data_dir", "a_b", "--batch_size", "3", "--plain=true"],
        ["-data-dir=a_b", "-batch_size=3", "-plain"],
    ],
)
def test_the_other_spellings(line):
    found = small().parse_args(line)
    assert (found.data_dir, found.batch_size, found.plain) == ("a_b", 3, True)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (["--data"], "there is no --data: did you mean --data-dir?"),
        (["--batchsize=3"], "there is no --batchsize: did you mean --batch-size?"),
        (["--nonsense"], "there is no --nonsense: there are --batch-size, --data-dir, --help, --plain, "),
        (["--plain=perhaps"], "--plain must be true or false"),
        (["--batch-size=many"], "--batch-size must be a whole number, not 'many'; usage: jaxcnn small"),
        (["--rate=fast"], "--rate must be a number, not 'fast'; usage: jaxcnn small"),
        (["--data-dir"], "--data-dir needs a value; usage: jaxcnn small"),
        (["--", "--data_dir"], "unrecognized arguments: -- --data_dir; usage"),
    ],
)
def test_a_wrong_option_is_one_line(line, says):
    with pytest.raises(UserError) as caught:
        small().parse_args(line)
    assert str(caught.value).startswith(says)


def test_switches_that_have_an_opposite():
    train = PARSERS["train"]
    for line in (["--noforce"], ["--no-force"], ["--no_force"], ["--force=false"]):
        assert train.spelt(line) == ["--no-force"]
    assert small().spelt(["--plain=False"]) == []


@pytest.mark.parametrize("line", [["runs/x"], ["--workdir=runs/x"], ["--workdir", "runs/x"], ["-workdir", "runs/x"]])
def test_a_run_may_be_named_as_it_is_for_training(line):
    assert PARSERS["verify"].parse_args(line).run == "runs/x"


@pytest.mark.parametrize("run", [["--workdir=runs/x"], ["--workdir", "runs/x"]])
def test_a_run_named_so_may_stand_anywhere(run):
    found = PARSERS["predict"].parse_args(["a.png", *run, "b.png"])
    assert (found.run, found.images) == ("runs/x", ["a.png", "b.png"])
    assert PARSERS["features"].parse_args(["cifar10", "--output=f.npz", *run]).data == "cifar10"
    assert PARSERS["report"].parse_args([*run, "--workdir=runs/y"]).runs == ["runs/x", "runs/y"]
    with pytest.raises(UserError, match=r"^--workdir needs a value: --workdir=RUN$"):
        PARSERS["report"].parse_args(["--workdir"])


def test_a_file_that_cannot_be_written_is_said_before_any_work(tmp_path, monkeypatch):
    (tmp_path / "there").write_text("")
    for path in (tmp_path / "there", tmp_path / "new"):
        assert new_file(str(path)) == path
    assert [entry.name for entry in tmp_path.iterdir()] == ["there"]
    monkeypatch.setattr(os, "access", lambda *_: False)  # the tests may run as root, whom nothing is refused
    for option in ("--json", "--csv"):
        with pytest.raises(
            UserError, match=f"^argument {option}: .*/there cannot be written: Permission denied; usage"
        ):
            PARSERS["predict"].parse_args(["run", "a.png", f"{option}={tmp_path / 'there'}"])
    with pytest.raises(UserError, match=f"^argument --output: {tmp_path} is a folder: name a file in it; usage"):
        PARSERS["features"].parse_args(["run", f"--output={tmp_path}"])

    def full(**_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(UserError, match=r"^argument --json: .*/new cannot be written: Read-only file system; usage"):
        PARSERS["evaluate"].parse_args(["run", f"--json={tmp_path / 'new'}"])


def test_keys_of_a_config_are_named_by_commands_that_have_one():
    for command in ("browse", "train"):
        with pytest.raises(UserError, match=r"^there is no --lr: did you mean --config.optimizer.learning_rate"):
            PARSERS[command].spelt(["--lr=3"])
    with pytest.raises(UserError, match=r"^there is no --lr: there are --data-dir"):
        PARSERS["verify"].spelt(["--lr=3"])

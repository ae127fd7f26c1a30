"""What docs/extending.md shows runs as it stands there."""

import re
import shlex
import sys
from pathlib import Path

import jax
import pytest

from jaxcnn.command_line import take_apart
from jaxcnn.train.loop import train_and_evaluate

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, flags=re.DOTALL)
FILES = {code.splitlines()[0].removeprefix("# "): code for _, code in BLOCKS if code.startswith("# mylab/")}


@pytest.fixture
def mylab(tmp_path, monkeypatch):
    """Returns a folder with the package of the page, which is the current one and on Python's path."""
    for name, code in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    with jax.numpy_rank_promotion("allow"):
        yield tmp_path
    for name in [name for name in sys.modules if name.split(".")[0] == "mylab"]:
        del sys.modules[name]


def test_the_command_line_makes_a_run_of_the_parts(mylab):
    (command,) = (code for kind, code in BLOCKS if kind == "bash")
    program, name, *arguments = shlex.split(command.replace("\\\n", ""))
    assert (program, name) == ("jaxcnn", "train")
    line = take_apart(arguments)
    assert line.rest == ("--workdir=runs/mine",)
    config, _ = line.config(line.file)
    config.log_every, config.tensorboard = "10 steps", False
    result = train_and_evaluate(config, "runs/mine")
    assert result.test["test/accuracy"] > 0.5
    assert "test/margin" in result.test


def test_the_program_makes_a_run_of_objects_that_the_hook_may_end(mylab, capsys):
    (program,) = (code for kind, code in BLOCKS if kind == "python" and not code.startswith("# mylab/"))
    exec(compile(program, "extending.md", "exec"), {"__name__": "program"})
    assert re.search(r"test accuracy \d+%, margin -?\d", capsys.readouterr().out)
    assert (mylab / "runs" / "objects" / "run.json").exists()


def test_the_files_and_tables_of_the_tree_are_there():
    rows = [line.split("|")[1:-1] for line in PAGE.splitlines() if line.startswith("| ") and "`" in line]
    assert len(rows) == 9
    for _, file, table, test in rows:
        paths = re.findall(r"`((?:jaxcnn|tests)/[^`]*)`", file + table + test)
        assert all((ROOT / path).exists() for path in paths), paths
        names = re.findall(r"`([A-Z]+)`", table)
        texts = [path for path in map(ROOT.joinpath, paths) if path.is_file()]
        texts += [each for path in map(ROOT.joinpath, paths) if path.is_dir() for each in path.glob("*.py")]
        for name in names:
            assert any(re.search(rf"^{name}\b.*=", path.read_text(encoding="utf-8"), re.MULTILINE) for path in texts), (
                name
            )


def test_the_page_has_a_part_of_every_kind():
    assert set(FILES) == {
        f"mylab/{name}.py" for name in ("nets", "layers", "measures", "learning", "augment", "data", "hooks")
    }

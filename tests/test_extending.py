"""What docs/extending.md shows runs as it stands there."""

import ast
import importlib
import re
import runpy
import shlex
import sys
import types
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


def test_the_command_is_a_program(mylab, monkeypatch, capsys):
    (line,) = re.findall(r"`python (-m mylab\.\w+ [^`]*)`", PAGE)
    _, module, *arguments = shlex.split(line)
    monkeypatch.setattr(sys, "argv", ["", *arguments, "mylab.nets:TwoLayers"])
    runpy.run_module(module, run_name="__main__")
    assert [row.partition(": ")[0] for row in capsys.readouterr().out.splitlines()] == sys.argv[1:]
    monkeypatch.setattr(sys, "argv", ["", "resnet21"])
    with pytest.raises(SystemExit, match=r"^count: unknown model 'resnet21': did you mean resnet[^\n]*$"):
        runpy.run_module(module, run_name="__main__")


def changed_files():
    """Returns what the page's diff makes of each file of the tree, by path."""
    (diff,) = (code for kind, code in BLOCKS if kind == "diff")
    found = {}
    for part in re.split(r"^--- ", diff, flags=re.MULTILINE)[1:]:
        path, *hunks = re.split(r"\n@@\n", part)
        found[path] = (ROOT / path).read_text(encoding="utf-8")
        for lines in map(str.splitlines, hunks):
            before, after = ("\n".join(line[1:] for line in lines if line[:1] != sign) for sign in "+-")
            assert found[path].count(before) == 1, before
            found[path] = found[path].replace(before, after)
    return found


def module_of(name, text):
    module = types.ModuleType(name)
    exec(compile(text, name, "exec"), module.__dict__)
    return module


def test_the_change_in_the_tree_is_all_that_a_part_takes(monkeypatch):
    (code, changed), (test, tested) = changed_files().items()
    assert (code.split("/")[0], test.split("/")[0]) == ("jaxcnn", "tests")
    ((_, file, table, row),) = (each for each in ROWS if f"`{test}`" in each[3])
    assert code in file
    assert f"    {NEW.search(table)[1]}\n" in changed
    assert f"    {NEW.search(row)[1]}\n" in tested
    name = code.removesuffix(".py").replace("/", ".")
    module = importlib.import_module(name)
    made = module_of(name, changed)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, name, made)
        tests = module_of("changed_test", tested)
    (word,) = made.ACTIVATIONS.keys() - module.ACTIVATIONS.keys()
    tests.test_every_word_has_a_formula_here()
    tests.test_activation_is_its_formula(word)


KINDS = (
    *("model", "norm", "activation", "loss", "metric", "optimizer", "schedule", "augmentation", "data set", "hook"),
    "command",
)
ROWS = [[cell.strip() for cell in line.split(" | ")] for line in PAGE.splitlines() if line.startswith("| ")]
ROWS = [[row[0].removeprefix("| "), *row[1:-1], row[-1].removesuffix(" |")] for row in ROWS if row[0] != "| part"]
NEW = re.compile(r": `([^`]+,)`$")
"""The new line or row of a cell, at its end."""


def test_each_kind_of_part_has_a_row_of_the_tree():
    assert tuple(row[0] for row in ROWS) == KINDS
    assert {len(row) for row in ROWS} == {4}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_the_files_tables_and_tests_of_the_tree_are_there(row):
    _, file, *changes = row
    assert all((ROOT / path).exists() for path in re.findall(r"`([^`]*)`", file))
    for cell, room in zip(changes, ("jaxcnn", "tests"), strict=True):
        (path,) = re.findall(rf"`({room}/[^`]*\.py)`", cell)
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        (name,) = re.findall(r"`([A-Z_]+|our_hooks|test_\w+)`", cell)
        (place,) = [node for node in tree.body if name in names_of(node)]
        if not (new := NEW.search(cell)):
            assert cell.endswith(": no row") or cell.startswith("a test in"), cell
            continue
        added = elements(ast.parse(f"x = {{{new[1]}}}"))[0]
        there = [each for each in elements(place) if type(each) is type(added)]
        assert len(there) > 1, f"{name} has no lines such as {new[1]}"
        assert ast.dump(added) not in map(ast.dump, there), f"{name} has {new[1]} already"


def names_of(node):
    """Returns what a statement of a module defines."""
    if isinstance(node, ast.AnnAssign | ast.Assign):
        targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
        return {target.id for target in targets if isinstance(target, ast.Name)}
    return {node.name} if isinstance(node, ast.FunctionDef) else set()


def elements(tree):
    """Returns the keys of dictionaries, and the elements of lists, tuples and sets, that are written in code."""
    found = [node.keys if isinstance(node, ast.Dict) else node.elts for node in ast.walk(tree) if is_table(node)]
    return [each for table in found for each in table if each is not None]


def is_table(node):
    return isinstance(node, ast.Dict | ast.List | ast.Tuple | ast.Set)


def test_the_page_has_a_part_of_every_kind():
    assert set(FILES) == {
        f"mylab/{name}.py" for name in ("nets", "layers", "measures", "learning", "augment", "data", "hooks", "count")
    }

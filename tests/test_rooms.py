"""A config is read at the door of the trainer: behind it, functions take typed parts."""

import ast
import itertools
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "jaxcnn").rglob("*.py"))}
READERS = {"config", "commands", "main", "command_line"}
"""Rooms and files at or before the door."""
DOORS = {
    "train/settings.py": {"read_settings", "_settled", "model_settings", "_feeding"},
    "train/setup.py": {"make_run"},
    "train/loop.py": {"train_and_evaluate"},
    "train/ahead.py": {"resolve_blank"},
}
"""The functions that take a config: those that read it into typed parts, and a user's calls that lead to them."""


def room_of(path):
    return path.relative_to(ROOT / "jaxcnn").as_posix()


def takes_a_config(function):
    arguments = function.args
    every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    return any(each.arg == "config" or "ConfigDict" in ast.unparse(each.annotation or each) for each in every)


def functions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_no_function_behind_the_door_takes_a_config():
    found = {}
    for path, tree in FILES.items():
        taking = {function.name for function in functions(tree) if takes_a_config(function)}
        if taking and path.relative_to(ROOT / "jaxcnn").parts[0].removesuffix(".py") not in READERS:
            found[room_of(path)] = taking
    assert found == DOORS


def way_of_the_config(room, name):
    """The files that a config comes to from a function on: it is followed into each call of a function that takes one.

    A function is known by its name; those of a class are not followed.
    """
    takers = {
        function.name: (room_of(path), function)
        for path, tree in FILES.items()
        if path.relative_to(ROOT / "jaxcnn").parts[0] in ("config", "train")
        for function in tree.body
        if isinstance(function, ast.FunctionDef) and takes_a_config(function)
    }
    where, function = takers[name]
    assert where == room
    way = [room]
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
        called = call.func.id if isinstance(call.func, ast.Name) else ""
        if called in takers and called != name:
            way += way_of_the_config(takers[called][0], called)
    return way


def test_a_config_comes_to_few_files_and_to_none_again_and_again():
    for room, door in (("train/setup.py", "make_run"), ("train/loop.py", "train_and_evaluate")):
        stays = [file for file, _ in itertools.groupby(way_of_the_config(room, door))]
        assert stays == [room, "train/settings.py", "config/check.py", "train/settings.py"]

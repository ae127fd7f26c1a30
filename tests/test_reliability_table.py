"""Each row of docs/reliability.md names a test that is there, and every fault a test of its own."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROWS = [line.split("|")[1:-1] for line in (ROOT / "docs" / "reliability.md").read_text().splitlines() if "::" in line]


def test_the_table_is_read():
    assert len(ROWS) > 30
    assert all(len(row) == 3 for row in ROWS)
    named = [row[2].split()[0] for row in ROWS]
    assert len(named) == len(set(named))


def marks_of(tree, function):
    """What pytest marks a test with, by a decorator or for its whole module."""
    of_all = [node.value for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == "pytestmark"]
    text = " ".join(map(ast.unparse, [*of_all, *function.decorator_list]))
    return {mark for mark in ("buckets", "slow") if f"pytest.mark.{mark}" in text}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].strip())
def test_the_named_test_is_there_and_marked_as_it_is_said_to_be(row):
    path, name, marks = re.fullmatch(r" `(\S+)::(\w+)`(?: \((.+)\))? ", row[2]).groups()
    tree = ast.parse((ROOT / path).read_text())
    found = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert name in found, f"{path} has no {name}"
    assert marks_of(tree, found[name]) == set(marks.split(", ") if marks else ())

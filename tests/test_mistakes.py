"""The list of known mistakes is of the code and the tests that are here, and docs/testing.md has it."""

import ast
from pathlib import Path

import pytest

from tests.mistakes import ROOT, Mistake, mistakes, noticed

PAGE = ROOT / "docs" / "testing.md"


def test_the_page_has_the_list():
    table = PAGE.read_text(encoding="utf-8").split("| file | mistake | test |\n")[1]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    assert rows == [mistake.row for mistake in mistakes()]


@pytest.mark.parametrize("mistake", mistakes(), ids=lambda mistake: mistake.about)
def test_the_line_and_the_test_of_a_mistake_are_there(mistake):
    assert (ROOT / mistake.file).read_text(encoding="utf-8").count(mistake.right) == 1
    path, name = mistake.test.split("::")
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    (test,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name.partition("[")[0])
    assert "pytest.mark.slow" not in [ast.unparse(decorator) for decorator in test.decorator_list]


def test_a_mistake_is_put_into_a_copy_and_noticed_or_not(tmp_path: Path):
    for name in ("jaxcnn", "tests", "configs", "docs"):
        (tmp_path / name).mkdir()
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "jaxcnn" / "one.py").write_text("ONE = 1\n")
    text = "import pathlib\n\n\ndef test_one():\n    assert 'ONE = 1' in pathlib.Path('jaxcnn/one.py').read_text()\n"
    (tmp_path / "tests" / "test_one.py").write_text(text)
    mistake = Mistake("one is two", "jaxcnn/one.py", "= 1", "= 2", "tests/test_one.py::test_one")
    assert noticed(mistake, tmp_path)
    assert not noticed(mistake._replace(wrong="= 1  # as before"), tmp_path)
    assert not noticed(mistake._replace(test="tests/test_one.py::test_two"), tmp_path)  # no test ran
    assert (tmp_path / "jaxcnn" / "one.py").read_text() == "ONE = 1\n"

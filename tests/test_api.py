"""The names of the package, and the page about them: its examples run, and import from the package alone."""

import ast
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

import jaxcnn

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
INTERNAL = {"docs/architecture.md", "docs/testing.md"}
"""Pages for those who change the package."""


def blocks(text):
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def test_every_name_is_there_and_explained():
    explained = set(re.findall(r"`(\w+)", "".join(line for line in PAGE.splitlines() if line.startswith("| `"))))
    for name in set(jaxcnn.__all__) - {"__version__"}:
        assert getattr(jaxcnn, name).__doc__, name
        assert name in explained, f"docs/api.md says nothing of {name}"


def test_type_checkers_see_every_name_where_it_lives():
    tree = ast.parse(Path(jaxcnn.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    assert {name.asname: line.module for line in block.body for name in line.names} == jaxcnn._HOME


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'make_runs'"):
        jaxcnn.make_runs  # noqa: B018


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_example_imports_from_below_the_package(page):
    if str(page.relative_to(ROOT)) in INTERNAL:
        return
    found = re.findall(r"^\s*(?:from|import) jaxcnn\.[\w.]+", "\n".join(blocks(page.read_text(encoding="utf-8"))), re.M)
    assert found == []


def test_importing_the_package_imports_no_jax():
    code = "import sys, jaxcnn; assert 'jax' not in sys.modules and 'make_run' in dir(jaxcnn)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


class Wandb(types.ModuleType):
    """What the tracker of the page talks to."""

    def __init__(self):
        super().__init__("wandb")
        self.calls = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *arguments, **options: self.calls.append((name, arguments, options))


def test_the_examples_of_the_page_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "wandb", wandb := Wandb())
    examples = blocks(PAGE)
    for number, example in enumerate(examples):
        exec(compile(example, f"docs/api.md, example {number}", "exec"), {"__name__": "example"})
    output = capsys.readouterr().out
    assert "the run ends at step 8: val/accuracy was best more than 3 evaluations ago" in output
    assert [name for name, *_ in wandb.calls[:1] + wandb.calls[-1:]] == ["init", "finish"]
    logged = [arguments[0] for name, arguments, _ in wandb.calls if name == "log"]
    assert {"train/loss", "val/loss", "test/loss", "final/test/loss"} <= set().union(*logged)
    assert len(eval(output.strip().splitlines()[-1])) == 10  # probabilities by class

"""docs/inside.md shows what its commands print."""

import importlib
import re
import shlex
from pathlib import Path

import pytest

from jaxcnn.commands.registry import COMMANDS

PAGE = (Path(__file__).parents[2] / "docs" / "inside.md").read_text(encoding="utf-8")
PRINTED = re.findall(r"```(bash|python)\n((?:(?!```).)*)```\n\n```\n(.*?)```", PAGE, re.DOTALL)
"""Kind and code of each block behind which stands what it prints."""
SHOWN = [(kind, code, output) for kind, code, output in PRINTED if "runs/" not in code]
QUICK = re.compile(r"--conv|resnet50 stem_conv|reduced")


@pytest.mark.parametrize(
    ("kind", "code", "output"),
    [
        pytest.param(*each, id=each[1].strip().splitlines()[0], marks=() if QUICK.search(each[1]) else pytest.mark.slow)
        for each in SHOWN
    ],
)
def test_what_the_page_shows_is_what_is_printed(kind, code, output, capsys):
    if kind == "python":
        exec(compile(code, "docs/inside.md", "exec"), {"__name__": "example"})
    else:
        _, name, *words = shlex.split(code)
        importlib.import_module(COMMANDS[name][0]).main(words)
    printed = iter([line.rstrip() for line in capsys.readouterr().out.splitlines()])
    for line in output.splitlines():
        assert line == "..." or line in printed, line  # in this order


def test_the_outputs_of_the_page_are_found():
    assert len(SHOWN) > 8
    assert {kind for kind, *_ in SHOWN} == {"bash", "python"}

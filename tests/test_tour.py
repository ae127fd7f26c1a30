"""The tour of docs/after_training.md runs as it stands there, in order, in an empty folder."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

import jaxcnn
from jaxcnn.__main__ import main

PAGE = (Path(__file__).parents[1] / "docs" / "after_training.md").read_text(encoding="utf-8")
TOUR = re.search(r"^## A tour\n(.*?)^## ", PAGE, re.DOTALL | re.MULTILINE)[1]


def run(line):
    """Runs a command line of ours; returns what it printed."""
    program, *words = shlex.split(line)
    assert program == "jaxcnn"
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        status = main(words)
    assert status == 0 or words[0] == "doctor", line  # whose status says what it found
    return printed.getvalue()


@pytest.fixture(scope="module")
def tour(tmp_path_factory):
    """The folder after the tour, and what each command and example printed."""
    folder = tmp_path_factory.mktemp("tour")
    printed = []
    with contextlib.chdir(folder):
        for language, block in re.findall(r"```(bash|python)\n(.*?)```", TOUR, re.DOTALL):
            if language == "python":
                with contextlib.redirect_stdout(io.StringIO()) as text:
                    exec(compile(block, "docs/after_training.md", "exec"), {})
                printed.append(("python", text.getvalue()))
            else:
                lines = block.replace("\\\n", " ").splitlines()
                printed += [(line, run(line)) for line in lines]
    return folder, printed


def test_every_step_leaves_what_the_page_promises(tour):
    folder, printed = tour
    assert sorted(path.name for path in folder.iterdir()) == [
        "digits.html", "parity", "parity.html", "parity.onnx", "parity.onnx.json", "runs",
    ]  # fmt: skip
    assert "odd" in printed[-1][1]
    assert "temperature" in printed[1][1]


def test_the_trained_net_helps_with_the_new_task(tour):
    folder, _ = tour
    loaded, scratch = (jaxcnn.evaluate(folder / "runs" / name)["accuracy"] for name in ("parity", "scratch"))
    assert loaded > scratch

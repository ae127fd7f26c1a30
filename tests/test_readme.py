"""What the README shows runs as it stands there."""

import re
import shlex
from pathlib import Path

import pytest

from jaxcnn.command_line import take_apart
from jaxcnn.commands.registry import COMMANDS, COMPUTING, make_parsers

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
FOLDERS = ("docs/*.md", "experiments/*.md", "experiments/*/*.md")
PAGES = [
    *("README.md", "benchmarks/README.md"),
    *(str(page.relative_to(ROOT)) for folder in FOLDERS for page in sorted(ROOT.glob(folder))),
]


def command_lines(text):
    """Returns the words of each command line of ours that a page has in code, without the program."""
    blocks = re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    inline = re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    found = [re.search(r"\bjaxcnn ([a-z-]+ .*|[a-z-]+$)", " ".join(line.split())) for line in (*lines, *inline)]
    return [shlex.split(each[1], comments=True) for each in found if each]


def test_the_library_example(capsys):
    (example,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len([line for line in example.splitlines() if line]) <= 16
    exec(compile(example, "README.md", "exec"), {})
    assert re.fullmatch(r"\d of 8\n", capsys.readouterr().out)


def test_the_files_that_it_names_are_there():
    links = re.findall(r"\]\((?!https?:)([^)]+)\)", README)
    assert links
    assert not [link for link in links if not (ROOT / link).exists()]


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_that_a_page_shows_and_their_options_are_there(page):
    parsers = make_parsers()
    for words in command_lines((ROOT / page).read_text()):
        name = " ".join(words[:2]) if " ".join(words[:2]) in parsers else words[0]
        parsers[name].spelt(take_apart(words[len(name.split(" ")) :]).rest)


def test_all_commands_that_compile_nothing_are_named():
    page = (ROOT / "docs" / "running.md").read_text()
    listed = re.search(r"commands\s+that compile nothing: (.*?)\.\n", page, re.DOTALL)[1]
    assert set(re.findall(r"`([\w-]+)`", listed)) == COMMANDS.keys() - COMPUTING


def test_the_command_lines_of_pages_are_found():
    found = {words[0] for words in command_lines((ROOT / "docs" / "commands.md").read_text())}
    assert {"train", "configs", "prepare", "benchmark", "completion", "verify", "import-weights"} <= found
    assert {"train", "compare", "doctor"} <= {words[0] for words in command_lines(README)}
    assert "python -m jaxcnn.main --config=configs/digits_lenet5.py --workdir=runs/digits" in README

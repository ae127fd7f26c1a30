"""What the README shows runs as it stands there."""

import re
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_library_example(capsys):
    (example,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len([line for line in example.splitlines() if line]) <= 16
    exec(compile(example, "README.md", "exec"), {})
    assert re.fullmatch(r"\d of 8\n", capsys.readouterr().out)


def test_the_files_that_it_names_are_there():
    root = Path(__file__).parents[1]
    links = re.findall(r"\]\((?!https?:)([^)]+)\)", README)
    assert links
    assert not [link for link in links if not (root / link).exists()]

"""Puts known mistakes into copies of the code, one at a time, and runs the test that is to notice each.

`python -m tests.mistakes` tries all of `mistakes.toml`, `python -m tests.mistakes WORD...` those whose file, mistake or
test holds one of the words. The exit status is 1 where a mistake is not noticed. docs/testing.md has the list, as
`python -m tests.mistakes --rows` prints it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
LIST = Path(__file__).with_suffix(".toml")


class Mistake(NamedTuple):
    """A line of code as it is, as somebody might get it wrong, and the test that fails for it."""

    about: str
    """What is wrong, in words."""
    file: str
    right: str
    """A part of the file's text that stands there once."""
    wrong: str
    test: str
    """As pytest names it."""

    @property
    def row(self) -> str:
        """The row of docs/testing.md."""
        file, test = self.file.removeprefix("jaxcnn/"), self.test.removeprefix("tests/")
        return f"| `{file}` | {self.about} | `{test}` |"


def mistakes() -> list[Mistake]:
    """Returns the list."""
    return [Mistake(**entry) for entry in tomllib.loads(LIST.read_text(encoding="utf-8"))["mistake"]]


def noticed(mistake: Mistake, root: Path = ROOT) -> bool:
    """Returns whether the test fails, in a copy of the code that has the mistake; elsewhere nothing is changed."""
    with tempfile.TemporaryDirectory(prefix="mistake-") as folder:
        copy = Path(folder)
        for name in ("jaxcnn", "tests", "configs", "docs", "pyproject.toml"):
            place, ignore = root / name, shutil.ignore_patterns("__pycache__")
            if place.is_dir():
                shutil.copytree(place, copy / name, ignore=ignore)
            else:
                shutil.copy(place, copy / name)
        changed = copy / mistake.file
        changed.write_text(changed.read_text(encoding="utf-8").replace(mistake.right, mistake.wrong), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", mistake.test]
        run = subprocess.run(
            command, cwd=copy, env={**os.environ, "PYTHONPATH": folder}, capture_output=True, text=True, check=False
        )
    return run.returncode == 1  # others mean that no test ran


def main(words: list[str]) -> int:
    """Tries the mistakes that hold one of `words`, all where there are none; returns the exit status."""
    if words == ["--rows"]:
        print("\n".join(each.row for each in mistakes()))
        return 0
    chosen = [each for each in mistakes() if not words or any(word in text for word in words for text in each)]
    missed = 0
    for mistake in chosen:
        found = noticed(mistake)
        missed += not found
        print(f"{'noticed' if found else 'MISSED '}  {mistake.file}: {mistake.about}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} mistakes are noticed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

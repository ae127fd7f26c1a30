"""What .ci/rooms names is there, and no room is left out."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = [line for line in (ROOT / ".ci/rooms").read_text(encoding="utf-8").splitlines() if not line.startswith("#")]


def test_the_newest_python_is_tried_in_every_room():
    rooms = {path.name for path in (ROOT / "jaxcnn").iterdir() if (path / "__init__.py").exists()}
    assert rooms <= {Path(line).parts[1] for line in ROOMS}


def test_the_tests_that_it_names_are_there():
    for line in ROOMS:
        path, _, name = line.partition("::")
        assert f"def {name}" in (ROOT / path).read_text(encoding="utf-8")


def test_every_python_that_is_declared_is_no_older_than_what_is_required():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [each.rpartition(" ")[2] for each in project["classifiers"] if each.startswith("Programming Language")]
    assert declared == ["3.11", "3.12", "3.13"]
    assert project["requires-python"] == f">={declared[0]}"

"""Two runs with different norms, and the page that walks through both, for all tests of this folder."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from jaxcnn.commands import walk as command
from tests.reporting.test_report import Page
from tests.walkthrough import runs


class Made(NamedTuple):
    """What the command wrote."""

    file: Path
    found: Any
    page: Page
    said: str
    """What it printed."""


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    return [runs.digits(root / norm, norm) for norm in ("batch", "group")]


@pytest.fixture(scope="session")
def photo(tmp_path_factory):
    return runs.photo(tmp_path_factory.mktemp("photos") / "three.png")


@pytest.fixture(scope="session")
def made(trained, photo, tmp_path_factory):
    root = tmp_path_factory.mktemp("pages")
    file, numbers = root / "walk.html", root / "walk.json"
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert command.main([*map(str, trained), str(photo), f"--output={file}", f"--json={numbers}"]) == 0
    return Made(file, json.loads(numbers.read_text()), Page(file), said.getvalue())

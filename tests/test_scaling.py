"""docs/scaling.md shows the frozen figures."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("table", ["slices", "nets", "devices"])
def test_the_tables_are_those_of_the_figures(table):
    lines = (ROOT / "docs" / "scaling.md").read_text().splitlines()
    printed = list(runpy.run_path(str(ROOT / "benchmarks" / "scaling" / "tables.py"))[table]())
    assert len(printed) > 2
    start = lines.index(printed[0])
    assert lines[start : start + len(printed)] == printed

"""Seeds that are added, and those that are planned."""

import pytest

from jaxcnn.comparing.results import results_of
from jaxcnn.comparing.stages import detectable, second_stage
from tests.comparing.grids import fake, filled, job_of
from tests.comparing.test_tables import BATCH, GROUP, NONE, cheap

__all__ = ["cheap"]  # a fixture

SCORES = {NONE: [0.90, 0.92, 0.91], BATCH: [0.95, 0.96, 0.94], GROUP: [0.91, 0.93, 0.92]}


def test_each_cell_gets_the_seeds_that_its_own_deviation_asks_for(tmp_path, capsys):
    grid = filled(tmp_path / "grid", SCORES, until=0.0248)
    wanted = second_stage(grid, tmp_path / "grid", 0.0248, 20)
    assert wanted == {NONE: [0, 1, 2, 3], BATCH: [0, 1, 2, 3], GROUP: [0, 1, 2]}  # by hand in test_precision
    assert f"{BATCH}: ± 2.48 points take 4 seeds; half of that would take 13" in capsys.readouterr().out


def test_no_cell_gets_more_seeds_than_are_allowed(tmp_path, capsys):
    grid = filled(tmp_path / "grid", SCORES, until=0.001)
    assert second_stage(grid, tmp_path / "grid", 0.001, 5)[BATCH] == [0, 1, 2, 3, 4]
    assert "of which 5 are trained (--most-seeds)" in capsys.readouterr().out


def test_added_seeds_are_in_the_table_with_the_interval_of_two_stages(tmp_path):
    folder = tmp_path / "grid"
    grid = filled(folder, SCORES, until=0.0248)
    for name, accuracy in ((NONE, 0.90), (BATCH, 0.99)):
        fake(job_of(grid, folder, name, 3), accuracy)
    difference = results_of(grid, folder).row(BATCH).difference
    assert (difference.n, difference.mean) == (4, pytest.approx(0.0525))
    assert difference.high - difference.low == pytest.approx(2 * 4.30265 * 0.01 / 2, rel=1e-4)
    assert "by Stein's two stages" in str(results_of(grid, folder))


def test_how_many_seeds_a_difference_takes(tmp_path):
    grid = filled(tmp_path / "grid", SCORES)
    (line,) = detectable(grid, tmp_path / "grid", 0.01, None)
    assert "0.71 points (measured in the finished runs)" in line  # deviations of 1 point and 0, pooled
    (line,) = detectable(grid, tmp_path / "grid", 0.01, 0.01)
    assert "13 seeds of each cell" in line
    assert "(as given)" in line


def test_where_no_deviation_is_known_some_are_tried(tmp_path):
    grid = filled(tmp_path / "grid", {}, norms=("none", "batch"))
    first, *lines = detectable(grid, tmp_path / "grid", 0.005, None)
    assert "not known yet" in first
    assert "  0.5 points: 10 seeds of each cell" in lines

"""The table of a grid: its statistics by hand, what is missing from it, and its files, read back."""

import csv
import io
import json
import math
import re

import pytest
from scipy import stats

from jaxcnn.comparing import costs
from jaxcnn.comparing.compare import tabled
from jaxcnn.comparing.home import Home
from jaxcnn.comparing.outcomes import note_failure
from jaxcnn.comparing.results import results_of
from jaxcnn.comparing.tables import tex
from tests.comparing.grids import fake, filled, grid_of, job_of

NONE, BATCH, GROUP = (f"lenet5-{norm}" for norm in ("none", "batch", "group"))
SCORES = {NONE: [0.90, 0.92, 0.91], BATCH: [0.95, 0.96, 0.94], GROUP: [0.91, 0.91]}
DIVERGED = "step 3 is not finite, first the loss"


@pytest.fixture(autouse=True, scope="module")
def cheap():
    """Nets are traced in tests/inside."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(costs, "_traced", lambda run: costs.Cost(416_520, 16))
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grids") / "norms"
    grid = filled(folder, SCORES, target=0.9)
    fake(job_of(grid, folder, GROUP, 2), 0.99, step=2, failed=DIVERGED)
    return tabled(grid, Home("output", folder))


def test_mean_deviation_and_paired_difference_are_those_of_the_seeds(made):
    row = made.row(BATCH)
    assert (row.mean, row.std, row.n) == (pytest.approx(0.95), pytest.approx(0.01), 3)
    difference = row.difference
    assert difference.mean == pytest.approx(0.04)  # 0.05, 0.04, 0.03
    reach = stats.t.ppf(0.975, 2) * 0.01 / math.sqrt(3)
    assert (difference.low, difference.high) == pytest.approx((0.04 - reach, 0.04 + reach))
    assert difference.p == pytest.approx(stats.ttest_rel(SCORES[BATCH], SCORES[NONE]).pvalue)


def test_pairs_are_the_seeds_that_both_have_and_holm_is_over_the_table(made):
    batch, group = made.row(BATCH), made.row(GROUP)
    assert group.difference.n == 2
    assert group.difference.mean == pytest.approx(0.0)
    assert batch.difference.p < group.difference.p
    assert batch.holm == pytest.approx(2 * batch.difference.p)
    assert group.holm == pytest.approx(group.difference.p)
    assert (made.row(NONE).difference, made.row(NONE).holm) == (None, None)


def test_another_baseline_turns_the_differences_round(made, tmp_path):
    grid = filled(tmp_path / "again", SCORES, baseline=BATCH)
    found = results_of(grid, tmp_path / "again")
    assert found.row(NONE).difference.mean == pytest.approx(-made.row(BATCH).difference.mean)


def test_a_failed_run_is_told_in_every_form_and_counts_nowhere(made):
    assert made.row(GROUP).mean == pytest.approx(0.91)
    assert not made.complete
    assert f"{GROUP}, seed 2: failed: {DIVERGED}" in str(made)
    for name in ("table.md", "table.tex", "table.json", "table.csv", "compare.html"):
        assert DIVERGED in (made.folder / name).read_text(), name
    assert "2 of 3" in (made.folder / "table.md").read_text()


def test_a_run_that_left_no_folder_is_told_too(tmp_path):
    grid = filled(tmp_path / "grid", {NONE: [0.9]}, norms=("none",), seeds=3)
    note_failure(job_of(grid, tmp_path / "grid", NONE, 1).place, "killed by SIGKILL")
    found = results_of(grid, tmp_path / "grid")
    assert [(each["seed"], each["state"], each["reason"]) for each in found.row(NONE).troubles] == [
        (1, "failed", "killed by SIGKILL"),
        (2, "not begun", ""),
    ]


def test_the_time_to_a_target_is_that_of_the_runs_that_reach_it(made):
    assert (made.row(BATCH).to_target, made.row(BATCH).reached) == (10.0, 3)
    assert "1 s" not in made.row(NONE).values.values()
    low = made.row(NONE)
    assert low.reached == 3  # 0.90, 0.92, 0.91 at the last validation


def test_the_csv_file_has_all_numbers_as_they_are(made):
    rows = list(csv.DictReader(io.StringIO((made.folder / "table.csv").read_text())))
    assert [row["cell"] for row in rows] == [NONE, BATCH, GROUP]
    batch = made.row(BATCH)
    assert float(rows[1]["mean"]) == batch.mean
    assert float(rows[1]["difference_low"]) == batch.difference.low
    assert (rows[0]["difference_mean"], rows[1]["norm"], rows[1]["peak_memory"]) == ("", "batch", "500000000")


def test_the_json_file_has_the_score_of_every_seed_and_how_each_run_is_made(made):
    found = json.loads((made.folder / "table.json").read_text())
    assert found["rows"][1]["scores"] == {"0": 0.95, "1": 0.96, "2": 0.94}
    line = found["runs"][f"{BATCH}/seed1"]
    assert line.startswith("jaxcnn train --config=digits_lenet5 --config.model.norm=batch --config.total_steps=4 ")
    assert line.endswith(f"--config.seed=1 --workdir={made.folder / BATCH / 'seed1'}")
    assert found["git_commits"] == ["abc"]


def test_latex_is_a_tabular_with_as_many_cells_in_every_row(made):
    text = (made.folder / "table.tex").read_text()
    (columns,) = re.findall(r"\\begin\{tabular\}\{([lr]+)\}", text)
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len(rows) == 4
    assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows} == {len(columns)}
    assert r"95.00 $\pm$ 1.00" in text
    assert r"$+$4.00 [$+$1.52, $+$6.48]" in text
    assert all(line.startswith("%") or line.isascii() for line in text.splitlines())


def test_latex_escapes_what_is_special_to_it():
    assert tex("a_b & 5 % of $x {y} #1 ~ ^ \\ <1 ± 2") == (
        r"a\_b \& 5 \% of \$x \{y\} \#1 \textasciitilde{} \textasciicircum{} \textbackslash{} $<$1 $\pm$ 2"
    )
    assert tex("-0.5 [-1.0, +2] multi-adds lenet5-1") == r"$-$0.5 [$-$1.0, $+$2] multi-adds lenet5-1"


def test_markdown_is_a_table_and_says_what_its_numbers_are(made):
    lines = (made.folder / "table.md").read_text().splitlines()
    assert lines[0].startswith("| norm | n | test accuracy, % | difference, points | p (Holm) |")
    assert len({line.count("|") for line in lines[:5]}) == 1
    text = "\n".join(lines)
    assert "mean ± sample deviation over n seeds" in text
    assert f"Differences are from {NONE}." in text
    assert "1 multiply-add = 2 FLOP" in text


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits_a_terminal(made, monkeypatch, width):
    monkeypatch.setattr("jaxcnn.table._WIDTH", width)
    lines = str(made).splitlines()
    assert max(map(len, lines)) <= width
    assert any(f"{BATCH} " in line and "95.00 ± 1.00" in line and "[+1.52, +6.48]" in line for line in lines)


def test_long_names_are_broken_at_dashes_where_the_terminal_is_narrow(tmp_path, monkeypatch):
    monkeypatch.setattr("jaxcnn.table._WIDTH", 80)
    folder = tmp_path / "grid"
    names = [f"lenet5_relu-channel_layer-batch{size}" for size in (100_000, 200_000)]
    grid = filled(folder, {name: [0.9, 0.91, 0.93] for name in names}, models=("lenet5_relu",),
                  norms=("channel_layer",), batch_sizes=(100_000, 200_000), seeds=3)  # fmt: skip
    text = str(results_of(grid, folder))
    assert max(map(len, text.splitlines())) <= 80
    assert "batch100000" in text


def test_the_table_has_no_intervals_of_a_single_seed(tmp_path):
    found = results_of(filled(tmp_path / "grid", {NONE: [0.9], BATCH: [0.95]}, norms=("none", "batch"), seeds=1),
                       tmp_path / "grid")  # fmt: skip
    assert found.row(BATCH).difference.low is None
    assert found.row(BATCH).holm is None
    assert "+5.00" in str(found)


def test_an_empty_grid_has_a_table_too(tmp_path):
    grid = grid_of(tmp_path / "grid")
    text = str(tabled(grid, Home("output", tmp_path / "grid")))
    assert text.count("not begun") == 3
    assert (tmp_path / "grid" / "compare.html").is_file()


def test_scores_can_be_those_of_validation(tmp_path):
    folder = tmp_path / "grid"
    grid = grid_of(folder, norms=("none",), seeds=1)
    fake(job_of(grid, folder, NONE, 0), 0.9, val=0.8)
    assert results_of(grid, folder, split="val").row(NONE).mean == pytest.approx(0.8)


def test_the_page_asks_no_network_and_escapes_names(made):
    page = (made.folder / "compare.html").read_text()
    assert "default-src &#39;none&#39;" in page
    assert page.count('class="plot"') >= 4
    assert "--config.model.norm=batch" in page

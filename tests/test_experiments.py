"""Experiments: their pages are made from their files, their claims hold, their pictures show what the files have."""

import csv
import re
import shutil
from pathlib import Path

import pytest

from experiments import figure, folders, pictures, readme
from experiments.datasets import collect
from experiments.freeze import freeze
from jaxcnn.comparing import costs
from jaxcnn.comparing.compare import tabled
from jaxcnn.comparing.frozen import read_table
from jaxcnn.comparing.home import Home
from jaxcnn.comparing.tables import markdown
from jaxcnn.errors import UserError
from tests.comparing.grids import filled

ALL = folders.all_experiments()
DRAWN = [(each, picture) for each in ALL for picture in each.picture if "kind" in picture]
MOST_BYTES = 100_000
"""Of a picture that is drawn here."""
SCORES = {
    **{"lenet5-none-batch8": [0.90, 0.92, 0.91], "lenet5-none-batch128": [0.80, 0.80, 0.83]},
    **{"lenet5-batch-batch8": [0.95, 0.96, 0.94], "lenet5-batch-batch128": [0.97, 0.98, 0.99]},
}


def each_by_name(found):
    return pytest.mark.parametrize("each", found, ids=[one.name for one in found])


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """What is kept of a grid, and the results that it was kept of."""
    root = tmp_path_factory.mktemp("experiments")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(costs, "_traced", lambda run: None)
        grid = filled(root / "norms", SCORES, norms=("none", "batch"), batch_sizes=(8, 128))
        results = tabled(grid, Home("output", root / "norms"))
    freeze(root / "norms", root / "kept")
    return root / "kept", results


def test_every_folder_has_its_file_and_claims():
    named = {path.parent.name for path in folders.ROOT.glob("*/README.md")}
    assert {each.name for each in ALL if (each.folder / folders.CLAIMS).is_file()} == named


def test_pages_are_what_python_m_experiments_readme_writes():
    for page, text in readme.pages().items():
        assert page.read_text(encoding="utf-8") == text, page


@each_by_name(ALL)
def test_the_claims_hold(each):
    assert not [verdict for verdict in readme.verdicts_of(each) if not verdict.holds]


@each_by_name(ALL)
def test_the_numbers_of_the_answer_are_claimed(each):
    claimed = (each.folder / folders.CLAIMS).read_text(encoding="utf-8")
    said = f"{each.answer} {each.short}"
    numbers = [number for number in re.findall(r"(?<![\w.,])(?<![A-Za-z]-)\d+(?:[.,]\d+)*", said) if len(number) > 1]
    assert not [number for number in numbers if number not in re.findall(r"\d+(?:[.,]\d+)*", claimed)]
    assert len(each.short) <= 90


@each_by_name(ALL)
def test_the_files_that_it_names_are_there(each):
    names = [*each.files, *(one["file"] for one in (*each.table, *each.picture))]
    assert not [name for name in names if not (each.folder / name).is_file()]


@pytest.mark.parametrize(("each", "picture"), DRAWN, ids=[f"{each.name}-{one['file']}" for each, one in DRAWN])
def test_a_picture_is_small_and_drawn_from_the_files_that_are_there(each, picture):
    path = each.folder / picture["file"]
    assert path.stat().st_size <= MOST_BYTES
    assert figure.drawn_from(path) == figure.origin(each.folder, picture)


def test_a_kept_table_is_the_one_that_was_written(kept):
    place, results = kept
    frozen = read_table(place / "table.json")
    assert frozen.results.rows == results.rows
    assert readme.table_of(frozen) in markdown(results)
    text = (place / "table.json").read_text()
    assert str(place.parent) not in text
    assert "--workdir=runs/norms/lenet5-none-batch8/seed0" in text


def test_what_data_sets_reach_is_what_recipes_reached():
    with (folders.ROOT / "datasets" / "reached.csv").open(encoding="utf-8", newline="") as file:
        found = [tuple(row) for row in csv.reader(file)]
    assert found == collect.reached_rows(), "python -m experiments.datasets.collect"


def test_what_is_no_table_is_refused(tmp_path):
    (tmp_path / "table.json").write_text('{"rows": []}')
    with pytest.raises(UserError, match="no table of this version"):
        read_table(tmp_path / "table.json")


def test_kept_curves_are_means_over_seeds(kept):
    place, _ = kept
    with (place / "curves.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if (row["cell"], row["split"]) == ("lenet5-none-batch8", "val")]
    last = {row["metric"]: row["value"] for row in rows}
    assert last == {"loss": "1.1", "accuracy": "0.91"}


def test_a_picture_of_scores_has_means_and_deviations_by_line(kept):
    place, _ = kept
    plot = pictures.plot_of(place, {"kind": "scores", "table": "table.json", "by": "batch size"})
    sources = {tuple(one.data_source.data["x"]): one.data_source.data for one in plot.renderers}
    assert set(sources) == {(8.0, 128.0)}
    lines = [one.data_source.data for one in plot.renderers if type(one.glyph).__name__ == "Segment"]
    assert [line["y"] for line in lines] == [
        [pytest.approx(91), pytest.approx(81)],
        [pytest.approx(95), pytest.approx(98)],
    ]
    assert lines[0]["high"][0] - lines[0]["y"][0] == pytest.approx(1)
    assert [item.label.value for item in plot.legend[0].items] == ["none", "batch"]
    assert type(plot.x_scale).__name__ == "LogScale"


def test_a_picture_of_scores_by_words_sets_lines_apart(kept):
    place, _ = kept
    picture = {"kind": "scores", "table": "table.json", "by": "norm", "labels": {"none": "no norm", "8": "eight"}}
    plot = pictures.plot_of(place, picture)
    places = [one.data_source.data["x"] for one in plot.renderers if type(one.glyph).__name__ == "Segment"]
    assert [[round(place) for place in line] for line in places] == [[0, 1], [0, 1]]
    assert places[0] != places[1]
    assert plot.xaxis[0].major_label_overrides == {0: "no norm", 1: "batch"}
    assert [item.label.value for item in plot.legend[0].items] == ["eight", "128"]


def test_a_picture_of_curves_has_the_cells_that_are_named(kept):
    place, _ = kept
    picture = {"kind": "curves", "curves": "curves.csv", "metric": "accuracy", "splits": ["train", "val"]}
    plot = pictures.plot_of(place, picture | {"cells": ["lenet5-none-batch8"]})
    assert [item.label.value for item in plot.legend[0].items] == [
        "lenet5-none-batch8, training", "lenet5-none-batch8, validation",
    ]  # fmt: skip
    last = [one.data_source.data["y"][-1] for one in plot.renderers if type(one.glyph).__name__ == "Line"]
    assert last == [50, 91]


def test_a_picture_of_lines_has_the_rows_of_each_group(tmp_path):
    (tmp_path / "shifts.csv").write_text(
        "case,border,shift,accuracy,deviation\nzero 1,zero,1,80,2\nzero 0,zero,0,90,1\nnone 0,none,0,70,3\n"
    )
    picture = {"kind": "lines", "of": "shifts.csv", "x": "shift", "y": "accuracy", "group": "border"}
    plot = pictures.plot_of(tmp_path, picture | {"deviation": "deviation", "labels": {"none": "no border"}})
    lines = [one.data_source.data for one in plot.renderers if type(one.glyph).__name__ == "Segment"]
    assert [(line["x"], line["y"], line["high"]) for line in lines] == [
        ([0, 1], [90, 80], [91, 82]),
        ([0], [70], [73]),
    ]
    assert [item.label.value for item in plot.legend[0].items] == ["zero", "no border"]
    alone = pictures.plot_of(tmp_path, picture | {"only": {"border": "none"}})
    assert [one.data_source.data["y"] for one in alone.renderers if type(one.glyph).__name__ == "Segment"] == [[70]]


def test_a_picture_is_old_when_its_description_or_a_file_changes(kept, tmp_path):
    shutil.copytree(kept[0], tmp_path / "copy")
    picture = {"kind": "scores", "table": "table.json", "by": "norm"}
    first = figure.origin(tmp_path / "copy", picture)
    assert figure.origin(tmp_path / "copy", picture | {"by": "batch size"}) != first
    (tmp_path / "copy" / "table.json").write_text("{}")
    assert figure.origin(tmp_path / "copy", picture) != first


def test_places_of_a_page_are_written_again_and_the_rest_is_left():
    page = "a\n<!-- facts -->\nold\n<!-- end -->\nb\n<!-- table x -->\n<!-- end -->\n"
    makers = {"facts": lambda: "new", "table": lambda name: f"of {name}"}
    once = readme.filled(page, makers)
    assert once == "a\n<!-- facts -->\nnew\n<!-- end -->\nb\n<!-- table x -->\nof x\n<!-- end -->\n"
    assert readme.filled(once, makers) == once
    with pytest.raises(UserError, match="nothing is known of <!-- figures -->"):
        readme.filled("<!-- figures -->\n<!-- end -->", makers)


def test_no_path_of_a_machine_is_kept():
    kept = [path for path in Path(folders.ROOT).rglob("*") if path.suffix in (".json", ".csv", ".toml", ".md")]
    assert not [
        path for path in kept if re.search(r'[\s="](/home|/work|/root|/tmp)/', path.read_text(encoding="utf-8"))
    ]

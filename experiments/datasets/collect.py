"""Writes what recipes reach, by data set: `python -m experiments.datasets.collect [RUN ...]`.

`reached.csv` has each recipe that was run, from jaxcnn/recipes/reached.toml. `curves.csv` has the accuracy on the
validation split by epoch of the run folders; without any it is left as it is.
"""

import csv
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from jaxcnn.recipes.name import words_of
from jaxcnn.recipes.reached import Reached, listed
from jaxcnn.reporting.recorded import read_run

HERE = Path(__file__).parent
EXPECTED = {"mnist": "99", "fashion_mnist": "89", "cifar10": "85"}
"""Least accuracy that the lectures let expect of a convolutional net, in percent."""
HEADER = ("recipe", "accuracy", "deviation", "n", "expected", "test images", "epochs", "minutes")


def row_of(entry: Reached) -> tuple[str, ...]:
    """Returns the row of a recipe that was run."""
    data, model, recipe = words_of(entry.name)
    deviation = "" if entry.deviation is None else f"{entry.deviation:.2f}"
    least = "" if model.startswith("mlp") else EXPECTED.get(data, "")
    facts = str(len(entry.accuracy)), least, f"{entry.examples}", f"{entry.epochs:g}", f"{entry.seconds / 60:.0f}"
    longer = f" {entry.epochs:g} epochs" if "--config.total_epochs" in entry.options else ""
    return f"{data} {model} {recipe}{longer}", f"{entry.mean:.2f}", deviation, *facts


def reached_rows() -> list[tuple[str, ...]]:
    """Returns the rows of all recipes that were run, the header first."""
    return [HEADER, *(row_of(entry) for entry in listed() if entry.accuracy)]


def curve_rows(runs: Sequence[Path]) -> list[tuple[str, ...]]:
    """Returns the validation accuracy of runs by epoch, in percent, the header first."""
    rows: list[tuple[str, ...]] = [("data", "epoch", "accuracy")]
    for place in runs:
        run = read_run(str(place), place.name, place)
        for row in run.rows:
            if "val/accuracy" in row:
                accuracy = f"{100 * row['val/accuracy']:.2f}"
                rows.append((run.card["data"]["name"], f"{round(row['epoch'], 2):g}", accuracy))
    return rows


def _write(name: str, rows: Iterable[Sequence[str]]) -> None:
    with (HERE / name).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


if __name__ == "__main__":
    _write("reached.csv", reached_rows())
    if sys.argv[1:]:
        _write("curves.csv", curve_rows([Path(word) for word in sys.argv[1:]]))

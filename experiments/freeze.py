"""Keeps what a grid has found: `python -m experiments.freeze runs/NAME experiments/NAME [PREFIX]`.

The folder gets table.json, which `jaxcnn compare` wrote, and curves.csv: of each cell the mean of its seeds, in
training and validation, at no more than 100 steps. With PREFIX the files are PREFIX-table.json and PREFIX-curves.csv.
Wherever the grid lies, commands have it at `runs/NAME`.
"""

import csv
import re
import sys
from pathlib import Path

from jaxcnn.comparing.charts import curves_of_cell
from jaxcnn.comparing.grid import load_grid
from jaxcnn.comparing.outcomes import outcomes

MOST = 100
"""Points of a curve."""
HEADER = ("cell", "split", "metric", "epoch", "value")


def freeze(grid: Path, folder: Path, prefix: str = "") -> list[Path]:
    """Writes both files into a folder, and returns their paths.

    Args:
        grid: the folder of a grid, whose table.json is there.
        folder: of an experiment.
        prefix: of the names of the files.

    Raises:
        UserError: where there is no grid.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table, curves = (folder / f"{prefix}{'-' if prefix else ''}{name}" for name in ("table.json", "curves.csv"))
    text = (grid / "table.json").read_text(encoding="utf-8")
    name = grid.resolve().name
    for before in ("--output ", "--workdir="):
        text = re.sub(rf"{before}(\S*/)?{re.escape(name)}(?=[/\s\"])", f"{before}runs/{name}", text)
    table.write_text(text, encoding="utf-8")
    found = outcomes(load_grid(grid), grid)
    with curves.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        for cell in load_grid(grid):
            for curve in curves_of_cell([each for each in found if each.cell == cell]):
                if curve.seed is None and curve.split != "test":
                    thin = curve.thinned(MOST)
                    rows = zip(thin.epoch, thin.value, strict=True)
                    writer.writerows(
                        [cell.name, curve.split, curve.metric, f"{epoch:.4g}", f"{value:.4g}"] for epoch, value in rows
                    )
    return [table, curves]


if __name__ == "__main__":
    for path in freeze(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]):
        print(f"{path}: {path.stat().st_size:,} bytes")

"""The table of a grid as `jaxcnn.compare` returns it: `print` shows it."""

import dataclasses
from pathlib import Path

from jaxcnn.comparing.grid import Grid
from jaxcnn.comparing.outcomes import outcomes
from jaxcnn.comparing.rows import Table, rows_of
from jaxcnn.comparing.tables import terminal


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Results(Table):
    """All that a grid says. `print(results)` shows the table."""

    def __str__(self) -> str:
        return terminal(self)


def results_of(grid: Grid, folder: Path, *, split: str = "test", address: str = "") -> Results:
    """Returns what there is of a grid now; arguments as the fields of `Results`."""
    found = outcomes(grid, folder)
    rows = rows_of(grid, found, split=split)
    return Results(folder=folder, grid=grid, split=split, rows=rows, found=found, address=address)

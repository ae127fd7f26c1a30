"""The page about a grid: one HTML file that asks no network for anything."""

from collections.abc import Sequence
from typing import Any

from jaxcnn.comparing.charts import charts_of, curves, draws_seeds
from jaxcnn.comparing.columns import Column, cells, cost_columns, score_columns, what_columns
from jaxcnn.comparing.jobs import jobs_of
from jaxcnn.comparing.notes import missing, notes
from jaxcnn.comparing.rows import Table
from jaxcnn.data.read.sources import SPLITS
from jaxcnn.reporting import facts
from jaxcnn.reporting.charts import color
from jaxcnn.reporting.page import render
from jaxcnn.table import counted

_STYLE = """
h3.below { margin-top: 16px; }
.low .plot { min-height: 0; }
"""


def page(results: Table) -> str:
    """Returns the page; it needs Bokeh and Jinja."""
    runs = [{"label": row.cell, "color": color(number)} for number, row in enumerate(results.rows)]
    rows = {f"{split}/loss" for split in SPLITS for one in results.found if one.last(split)}
    jobs = jobs_of(results.grid, results.folder, address=results.address)
    return render(
        {
            "title": results.name,
            "about": _about(results),
            "runs": runs,
            "scores": _table([*what_columns(results), *score_columns(results)], results, runs),
            "costs": _table(cost_columns(results), results, runs),
            "missing": missing(results),
            "notes": notes(results),
            "charts": charts_of(results),
            "curves": curves(results),
            "splits": [split for split in SPLITS if split == "train" or f"{split}/loss" in rows],
            "seeds": draws_seeds(results),
            "first_seed": results.grid.seeds[0],
            "commands": [job.line for job in jobs if job.seed == results.grid.seeds[0]],
        },
        "compare.html",
        package="jaxcnn.comparing",
        style=_STYLE,
    )


def _table(columns: Sequence[Column], results: Table, runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "heads": [column.header for column in columns],
        "number": sum(not column.number for column in columns),
        "rows": list(zip(runs, cells(columns, results.rows), strict=True)),
    }


def _about(results: Table) -> str:
    """Returns what is compared, in a line."""
    grid, first = results.grid, next((each.run for each in results.found if each.run), None)
    size = f"{counted(len(grid.cells), 'cell')} x {counted(len(grid.seeds), 'seed')}"
    return f"{facts.data(first)}, {size}" if first else size

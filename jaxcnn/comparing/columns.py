"""The columns of a grid's table, in words and numbers for people."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from jaxcnn.comparing.rows import Row, Table
from jaxcnn.comparing.statistics import PairedDifference
from jaxcnn.inside.columns import extent
from jaxcnn.train.hooks.figures import time_span

_MANY = 100_000
"""From so many on, numbers are in millions."""


class Column(NamedTuple):
    """A column."""

    header: str
    cell: Callable[[Row], str]
    number: bool = True


def score_columns(results: Table) -> list[Column]:
    """Returns the columns of accuracies and their differences."""
    return [
        Column("n", _count),
        Column(f"{results.split} accuracy, %", _accuracy),
        Column("difference, points", lambda row: _difference(row, results.grid.baseline)),
        Column("p (Holm)", _p),
    ]


def cost_columns(results: Table) -> list[Column]:
    """Returns the columns of what a cell costs."""
    target = results.grid.target
    columns = [
        Column("parameters", lambda row: _millions(row.parameters)),
        Column("multiply-adds", lambda row: _millions(row.multiply_adds)),
        Column("field", lambda row: extent(row.field) or "-"),
        Column("images/s", lambda row: "-" if row.images_per_second is None else f"{row.images_per_second:,.0f}"),
        Column("memory", lambda row: "-" if row.peak_memory is None else f"{row.peak_memory / 1e6:,.0f} MB"),
        Column("time", lambda row: "-" if row.seconds is None else time_span(row.seconds)),
    ]
    return columns if target is None else [*columns, Column(f"time to {100 * target:g}%", _to_target)]


def what_columns(results: Table) -> list[Column]:
    """Returns the columns of what cells are, one for each thing in which they differ."""
    return [Column(name, lambda row, name=name: row.values[name], number=False) for name in results.grid.varied]  # type: ignore[misc]


def cells(columns: Sequence[Column], rows: Sequence[Row]) -> list[list[str]]:
    """Returns the cells of a table."""
    return [[column.cell(row) for column in columns] for row in rows]


def points(difference: PairedDifference) -> str:
    """Returns a difference in percentage points, with its interval where there is one."""
    mean = f"{100 * difference.mean:+.2f}"
    if difference.low is None or difference.high is None:
        return mean
    return f"{mean} [{100 * difference.low:+.2f}, {100 * difference.high:+.2f}]"


def mean_and_deviation(row: Row) -> str:
    """Returns a mean with its sample deviation in per cent, without the sign."""
    if row.mean is None:
        return "-"
    return f"{100 * row.mean:.2f}" + ("" if row.std is None else f" ± {100 * row.std:.2f}")


def _accuracy(row: Row) -> str:
    return mean_and_deviation(row)


def _count(row: Row) -> str:
    return str(row.n) if row.n >= row.planned else f"{row.n} of {row.planned}"


def _difference(row: Row, baseline: str) -> str:
    if row.cell == baseline:
        return "baseline"
    return points(row.difference) if row.difference else "-"


def _p(row: Row) -> str:
    if row.holm is None:
        return ""
    return f"{row.holm:.3f}" if row.holm >= 0.001 else "< 0.001"


def _millions(count: int | None) -> str:
    if count is None:
        return "-"
    return f"{count:,}" if count < _MANY else f"{count / 1e6:,.2f} M" if count < 1e8 else f"{count / 1e6:,.0f} M"


def _to_target(row: Row) -> str:
    if row.to_target is None:
        return "-"
    few = f" ({row.reached} of {row.n})" if row.reached < row.n else ""
    return time_span(row.to_target) + few

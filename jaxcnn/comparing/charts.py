"""The charts of a grid: scores of every seed, differences, scores by a number that is varied, by cost, and curves."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from bokeh.embed import json_item
from bokeh.models import ColumnDataSource, FixedTicker, HoverTool, NumeralTickFormatter, PlainText

from jaxcnn.comparing.columns import mean_and_deviation, points
from jaxcnn.comparing.outcomes import Outcome
from jaxcnn.comparing.rows import Row, Table
from jaxcnn.reporting.charts import INK, Chart, color, curve_charts, new_figure
from jaxcnn.reporting.curves import Curve, curves_of, points_of_each

_ROW = 30
"""Pixels of a cell's row."""
_WIDE = 8
"""Largest value by the least from which on an axis is logarithmic."""
_ALIKE = 1.05
"""Largest cost by the least up to which a chart of costs shows nothing."""
_NAME = 28
_LARGEST = 36
"""Pixels of the largest mark of a chart of costs."""
_NAMED = 12
"""Cells up to which marks of that chart have names."""
_TEXT = {"text_font_size": "12px", "text_baseline": "middle"}
_SHOWN = ("loss", "accuracy")
"""Metrics whose curves are drawn."""
_MOST_RUNS = 30
"""Runs up to which the curve of each is drawn."""


def draws_seeds(results: Table) -> bool:
    """Returns whether curves are drawn of single seeds."""
    return len(results.grid.seeds) > 1 and sum(one.run is not None for one in results.found) <= _MOST_RUNS


def charts_of(results: Table) -> list[Chart]:
    """Returns the charts of scores and costs, those that show something."""
    rows = [row for row in results.rows if row.mean is not None]
    found = [_scores(results, rows)] if rows else []
    tested = [row for row in rows if row.difference and row.difference.low is not None]
    found += [_differences(results, tested)] if tested else []
    found += [_by_number(results, rows, name) for name in results.grid.varied if _is_number(rows, name)]
    return found + ([_by_cost(results, rows)] if _costs_differ(rows) else [])


def curves(results: Table) -> list[Chart]:
    """Returns curves of loss and accuracy of all cells: their means, and where runs are few, each seed, faint."""
    of_cells = [
        (row.cell, curves_of_cell([each for each in results.found if each.cell.name == row.cell]))
        for row in results.rows
    ]
    if not draws_seeds(results):
        of_cells = [(name, [curve for curve in curves if curve.seed is None]) for name, curves in of_cells]
    most = points_of_each(sum(len(curves) for _, curves in of_cells))
    return curve_charts([(name, [curve.thinned(most) for curve in curves]) for name, curves in of_cells])


def curves_of_cell(found: Sequence[Outcome]) -> list[Curve]:
    """Returns the curves of the seeds of a cell, and the mean of those that have the same steps."""
    each = [
        dataclasses.replace(curve, seed=one.seed)
        for one in found
        if one.run
        for curve in curves_of(one.run.rows)
        if curve.seed is None and curve.metric in _SHOWN
    ]
    if len({curve.seed for curve in each}) == 1:
        return [dataclasses.replace(curve, seed=None) for curve in each]
    kinds = dict.fromkeys((curve.split, curve.metric) for curve in each)
    means = [_mean([curve for curve in each if (curve.split, curve.metric) == kind]) for kind in kinds]
    return [*each, *means]


def _mean(alike: Sequence[Curve]) -> Curve:
    """Returns the mean of the curves of a metric over the steps that all of them have, of those with most points."""
    steps = set.intersection(*(set(curve.step.tolist()) for curve in alike))
    kept = [np.isin(curve.step, list(steps)) for curve in alike]
    parts = {
        name: np.mean([getattr(curve, name)[keep] for curve, keep in zip(alike, kept, strict=True)], axis=0)
        for name in ("epoch", "minutes", "value")
    }
    lost = sum(curve.lost for curve in alike)
    return dataclasses.replace(alike[0], seed=None, step=alike[0].step[kept[0]], lost=lost, **parts)


def _scores(results: Table, rows: Sequence[Row]) -> Chart:
    """Returns every seed's score as a dot, and mean and deviation of each cell."""
    plot = _rows_figure(results, f"{results.split} accuracy, the last state", "0.[0]%")
    place = {row.cell: number for number, row in enumerate(results.rows)}
    seeds = [(row, seed, score) for row in rows for seed, score in row.scores.items()]
    dots = ColumnDataSource({
        "x": [score for *_, score in seeds],
        "y": [place[row.cell] for row, *_ in seeds],
        "color": [color(place[row.cell]) for row, *_ in seeds],
        "name": [f"{row.cell}, seed {seed}: {score:.2%}" for row, seed, score in seeds],
    })  # fmt: skip
    single = plot.scatter("x", "y", size=7, alpha=0.45, color="color", source=dots)
    ends = ColumnDataSource({
        "x": [row.mean for row in rows],
        "low": [row.mean - (row.std or 0.0) for row in rows if row.mean is not None],
        "high": [row.mean + (row.std or 0.0) for row in rows if row.mean is not None],
        "y": [place[row.cell] for row in rows],
        "color": [color(place[row.cell]) for row in rows],
        "name": [f"{row.cell}: {mean_and_deviation(row)}, n = {row.n}" for row in rows],
    })  # fmt: skip
    plot.segment("low", "y", "high", "y", line_width=3, color="color", source=ends)
    mean = plot.scatter("x", "y", size=13, marker="diamond", color="color", source=ends)
    plot.add_tools(HoverTool(renderers=[mean, single], tooltips=[("", "@name")]))
    about = "a dot for each seed, a diamond for their mean, a line of one sample deviation to each side"
    return Chart(title="accuracy of each seed", about=about, item=json_item(plot))


def _differences(results: Table, rows: Sequence[Row]) -> Chart:
    """Returns the differences from the baseline with their intervals."""
    baseline = results.grid.baseline
    plot = _rows_figure(results, f"difference from {baseline}, percentage points", "+0.[00]")
    place = {row.cell: number for number, row in enumerate(results.rows)}
    found = [row.difference for row in rows if row.difference]
    source = ColumnDataSource({
        "x": [100 * each.mean for each in found],
        "low": [100 * each.low for each in found if each.low is not None],
        "high": [100 * each.high for each in found if each.high is not None],
        "y": [place[row.cell] for row in rows],
        "color": [color(place[row.cell]) for row in rows],
        "name": [f"{row.cell}: {points(row.difference)}" for row in rows if row.difference],
    })  # fmt: skip
    plot.segment("low", "y", "high", "y", line_width=3, color="color", source=source)
    dots = plot.scatter("x", "y", size=10, color="color", source=source)
    plot.line([0, 0], [-0.5, len(results.rows) - 0.5], line_dash="dashed", line_color=INK, line_width=1.5)
    plot.add_tools(HoverTool(renderers=[dots], tooltips=[("", "@name")]))
    about = "paired by seed, with 95 % intervals"
    return Chart(title="differences, paired by seed", about=about, item=json_item(plot))


def _rows_figure(results: Table, label: str, numbers: str) -> Any:
    """Returns a figure with a row for each cell, the first one on top."""
    last = len(results.rows) - 0.5
    plot = new_figure(label, height=90 + _ROW * len(results.rows), y_range=(last, -0.5))
    plot.yaxis.ticker = FixedTicker(ticks=list(range(len(results.rows))))
    names = {number: PlainText(text=_short(row.cell)) for number, row in enumerate(results.rows)}
    plot.yaxis.major_label_overrides = names
    plot.xaxis.formatter = NumeralTickFormatter(format=numbers)
    plot.ygrid.visible = False
    return plot


def _by_number(results: Table, rows: Sequence[Row], name: str) -> Chart:
    """Returns the scores by a number that cells differ in, a line for each combination of all else."""
    x = [float(row.values[name]) for row in rows]
    wide = min(x) > 0 and max(x) / min(x) >= _WIDE
    plot = new_figure(name, height=360, x_axis_type="log" if wide else "linear")
    if len(set(x)) <= 12:
        plot.xaxis.ticker = FixedTicker(ticks=sorted(set(x)))
        plot.xaxis.major_label_overrides = {value: f"{value:g}" for value in set(x)}
    plot.yaxis.formatter = NumeralTickFormatter(format="0.[0]%")
    others = [other for other in results.grid.varied if other != name]
    kinds = dict.fromkeys(tuple(row.values[other] for other in others) for row in rows)
    dots = []
    for number, kind in enumerate(kinds):
        own = [row for row in rows if tuple(row.values[other] for other in others) == kind]
        own = sorted(own, key=lambda row: float(row.values[name]))
        source = ColumnDataSource({
            "x": [float(row.values[name]) for row in own],
            "y": [row.mean for row in own],
            "low": [row.mean - (row.std or 0.0) for row in own if row.mean is not None],
            "high": [row.mean + (row.std or 0.0) for row in own if row.mean is not None],
            "name": [f"{row.cell}: {mean_and_deviation(row)}, n = {row.n}" for row in own],
        })  # fmt: skip
        plot.segment("x", "low", "x", "high", line_width=2, color=color(number), source=source)
        label = " ".join(kind) or results.split
        plot.line("x", "y", line_width=2, color=color(number), source=source, legend_label=label)
        dots.append(plot.scatter("x", "y", size=8, color=color(number), source=source, legend_label=label))
    plot.add_tools(HoverTool(renderers=dots, tooltips=[("", "@name")]))
    plot.legend.background_fill_alpha, plot.legend.border_line_color = 0, None
    plot.legend.label_text_color = INK
    plot.add_layout(plot.legend[0], "below")
    plot.legend.ncols, plot.legend.label_text_font_size = 2, "11px"
    about = f"mean {results.split} accuracy by {name}, with a line of one sample deviation to each side"
    return Chart(title=f"accuracy by {name}", about=about, item=json_item(plot))


def _by_cost(results: Table, rows: Sequence[Row]) -> Chart:
    """Returns the scores by multiply-adds; the area of a mark is the number of parameters."""
    known = [row for row in rows if row.multiply_adds and row.parameters]
    most = max(row.parameters or 0 for row in known)
    place = {row.cell: number for number, row in enumerate(results.rows)}
    source = ColumnDataSource({
        "x": [row.multiply_adds for row in known],
        "y": [row.mean for row in known],
        "size": [_LARGEST * math.sqrt((row.parameters or 0) / most) for row in known],
        "color": [color(place[row.cell]) for row in known],
        "cell": [row.cell for row in known],
        "parameters": [row.parameters for row in known],
        "score": [mean_and_deviation(row) for row in known],
    })  # fmt: skip
    plot = new_figure("multiply-adds of an image", height=400, x_axis_type="log")
    plot.xaxis.formatter = NumeralTickFormatter(format="0.[0]a")
    plot.yaxis.formatter = NumeralTickFormatter(format="0.[0]%")
    dots = plot.scatter("x", "y", size="size", alpha=0.6, color="color", source=source)
    plot.x_range.range_padding = plot.y_range.range_padding = 0.2
    if len(known) <= _NAMED:
        names = plot.text("x", "y", "cell", source=source, text_color=INK, x_offset=8, **_TEXT)
        names.tags = ["ink"]
    tips = [("", "@cell"), ("accuracy", "@score"), ("multiply-adds", "@x{0,0}"), ("parameters", "@parameters{0,0}")]
    plot.add_tools(HoverTool(renderers=[dots], tooltips=tips))
    about = f"mean {results.split} accuracy by multiply-adds; the area of a mark grows with the parameters"
    return Chart(title="accuracy, operations, parameters", about=about, item=json_item(plot))


def _is_number(rows: Sequence[Row], name: str) -> bool:
    try:
        return len({float(row.values[name]) for row in rows}) > 1
    except ValueError:
        return False


def _costs_differ(rows: Sequence[Row]) -> bool:
    costs = (
        [row.multiply_adds for row in rows if row.multiply_adds],
        [row.parameters for row in rows if row.parameters],
    )
    return all(costs) and any(max(each) / min(each) > _ALIKE for each in costs)


def _short(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"

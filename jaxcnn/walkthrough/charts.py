"""Histograms of a step's values, before and after its norm or activation."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from bokeh.embed import json_item
from bokeh.models import ColumnDataSource, HoverTool, NumeralTickFormatter, PrintfTickFormatter

from jaxcnn.reporting.charts import Chart, new_figure

_BINS = 48
_LEFT = 72
"""Pixels beside a chart, so that all of a page begin below each other, and their titles are whole."""
_SHARE = 0.002
"""Of the values at each end that may lie beyond the axis."""


class Values(NamedTuple):
    """The values of a run at a place."""

    run: str
    color: str
    values: np.ndarray


def histogram(title: str, of: Sequence[Values]) -> Chart:
    """Returns the histograms of the values of runs, on the same axes.

    Args:
        title: says what the values are.
        of: each run.
    """
    edges = _edges([each.values for each in of])
    plot = new_figure(
        "value",
        sizing_mode="stretch_both",  # the style sheet says how high it is
        height=None,
        min_border_left=_LEFT,
        tools=[],
        toolbar_location=None,
        x_range=(float(edges[0]), float(edges[-1])),
    )
    plot.yaxis.axis_label = "share"
    bars = [_draw(plot, each, edges, solid=number == 0) for number, each in enumerate(of)]
    plot.y_range.start = 0
    plot.yaxis.formatter = NumeralTickFormatter(format="0.[0]%")
    plot.xaxis.formatter = PrintfTickFormatter(format="%.3g")
    for axis in (plot.xaxis, plot.yaxis):
        axis.axis_label_text_font_size, axis.major_label_text_font_size = "0.9rem", "0.9rem"
        axis.axis_label_standoff = 8
        axis.ticker.desired_num_ticks, axis.ticker.num_minor_ticks = 4, 0
    tips = [("", "$name"), ("values", "@left{%.3g} to @right{%.3g}"), ("share", "@share{0.0%}")]
    plot.add_tools(HoverTool(renderers=bars, tooltips=tips, formatters={"@left": "printf", "@right": "printf"}))
    return Chart(title=title, about=f"histogram of {title}", item=json_item(plot))


def _draw(plot: object, of: Values, edges: np.ndarray, *, solid: bool) -> object:
    """Draws the histogram of a run: the first filled, the second by its outline, so that both are seen."""
    counts, _ = np.histogram(np.clip(of.values[np.isfinite(of.values)], edges[0], edges[-1]), edges)
    share = counts / max(of.values.size, 1)
    source = ColumnDataSource({name: np.asarray(values, np.float32) for name, values in (
        ("left", edges[:-1]), ("right", edges[1:]), ("share", share),
    )})  # fmt: skip
    options = {"source": source, "name": of.run, "left": "left", "right": "right", "bottom": 0, "top": "share"}
    bars = plot.quad(  # type: ignore[attr-defined]
        **options, fill_color=of.color, fill_alpha=0.8 if solid else 0.1, line_color=None
    )
    steps = np.repeat(edges, 2).astype(np.float32)
    heights = np.concatenate([[0], np.repeat(share, 2), [0]]).astype(np.float32)
    line = ColumnDataSource({"x": steps, "y": heights})
    plot.line("x", "y", source=line, color=of.color, line_width=1 if solid else 2.5)  # type: ignore[attr-defined]
    return bars


def _edges(values: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the edges of bins that hold nearly all values; the outer ones hold the rest, too."""
    known = [each[np.isfinite(each)] for each in values]
    ends = [np.quantile(each, [_SHARE, 1 - _SHARE]) for each in known if each.size]
    low, high = (min(each[0] for each in ends), max(each[1] for each in ends)) if ends else (0.0, 1.0)
    if high <= low:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, _BINS + 1)


def spread_in_words(values: np.ndarray) -> str:
    """Returns mean and deviation: "mean 0.12, deviation 1.3"."""
    known = values[np.isfinite(values)].astype(np.float64)
    lost = f", {values.size - known.size:,} not finite" if known.size < values.size else ""
    return f"mean {known.mean():.3g}, deviation {known.std():.3g}{lost}" if known.size else "no finite value"

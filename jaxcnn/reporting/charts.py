"""The charts of a page, by Bokeh: models as JSON, which the page's script shows.

Texts and lines of axes have the colours of the page's style sheet, by CSS variables such as `--bk-axis-line-color`.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from bokeh.embed import json_item
from bokeh.models import (
    BoxZoomTool,
    ColumnDataSource,
    GlyphRenderer,
    HoverTool,
    NumeralTickFormatter,
    PrintfTickFormatter,
    ResetTool,
    SaveTool,
)
from bokeh.plotting import figure

from jaxcnn.reporting.curves import Curve
from jaxcnn.train.parts.metrics import METRICS

COLORS = (
    *("#0172a8", "#df7718", "#cb234a", "#8588f6", "#51a556"),
    *("#8948f3", "#978b95", "#c930c2", "#5e6e6e", "#d267cb"),
)
"""Of runs. Each has a contrast of 3 or more to the light and to the dark page. They were chosen to be far apart in
OKLab, also as seen with protanopia, deuteranopia and tritanopia (Machado et al., 2009)."""
INK = "#808890"
"""Where the style sheet does not apply."""
_TITLES = {"learning_rate": "learning rate", "images_per_second": "images/s"}
_FEW = 30
"""Points of a curve up to which each has a mark."""
_WIDTHS = {"train": (1.4, 0.85), "val": (2.2, 1.0)}
"""Pixels and opacity of the lines of a split."""
_RATIO = 1000
"""Largest value by the least from which on an axis is logarithmic."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart and what stands above it."""

    title: str
    about: str
    """What it shows, in a sentence."""
    item: Mapping[str, Any]
    """As Bokeh's `embed_item` takes it."""


def color(number: int) -> str:
    """Returns the colour of a run by its number."""
    return COLORS[number % len(COLORS)]


def curve_charts(runs: Sequence[tuple[str, Sequence[Curve]]]) -> list[Chart]:
    """Returns a chart for each metric, with the curves of all runs.

    Args:
        runs: the name and the thinned curves of each.
    """
    metrics = dict.fromkeys(curve.metric for _, curves in runs for curve in curves)
    return [_curve_chart(metric, runs) for metric in metrics]


def _curve_chart(metric: str, runs: Sequence[tuple[str, Sequence[Curve]]]) -> Chart:
    own = [(number, curve) for number, (_, curves) in enumerate(runs) for curve in curves if curve.metric == metric]
    plot = new_figure("epoch", y_axis_type=_scale(metric, [curve for _, curve in own]))
    plot.yaxis.formatter = _formatter(metric)
    lines = [_draw(plot, curve, runs[number][0], _color(number, curve, len(runs)), number) for number, curve in own]
    written = "@value{0.00%}" if metric in METRICS else "@value{%.4g}"
    hover = HoverTool(
        renderers=lines,
        mode="vline" if len(lines) <= 4 else "mouse",
        line_policy="nearest",
        tooltips=[("", "$name"), (title(metric), written), ("epoch, step", "@epoch{0.00}, @step{0,0}")],
        formatters={} if metric in METRICS else {"@value": "printf"},
    )
    plot.add_tools(hover)
    return Chart(title=title(metric), about=f"{title(metric)} by epoch", item=json_item(plot))


def title(metric: str) -> str:
    """Returns what a metric is called."""
    return _TITLES.get(metric, metric)


def _color(number: int, curve: Curve, runs: int) -> str:
    """Returns the colour of a curve: of its run, and where there is one run, of its split."""
    return color(number if runs > 1 else int(curve.split in ("val", "test")))


def _draw(plot: Any, curve: Curve, run: str, color: str, number: int) -> GlyphRenderer:
    """Draws a curve: thin in training, thick in validation, a mark for a test; of a single seed faint.

    Returns what says its values where the mouse is.
    """
    arrays = {name: getattr(curve, name) for name in ("step", "epoch", "minutes", "value")}
    strong = curve.seed is None
    seed = "" if strong else f", seed {curve.seed}"
    options: dict[str, Any] = {
        "x": "epoch",
        "y": "value",
        "source": ColumnDataSource(arrays),
        "color": color,
        "name": ", ".join(part for part in (run, curve.split) if part) + seed,
    }
    drawn = []
    if curve.split == "test":
        size, alpha = (12, 1.0) if strong else (7, 0.5)
        drawn.append(plot.scatter(marker="diamond", size=size, alpha=alpha, **options))
    else:
        width, alpha = _WIDTHS.get(curve.split, _WIDTHS["train"]) if strong else (0.9, 0.4)
        drawn.append(plot.line(line_width=width, line_alpha=alpha, **options))
        if strong and len(curve.value) <= _FEW:
            drawn.append(plot.scatter(size=5, alpha=alpha, **options))
    for each in drawn:  # what the switches of the page go by
        each.tags = ["curve", f"run:{number}", f"split:{curve.split}", f"seeds:{'mean' if strong else 'each'}"]
    return drawn[0]


def _scale(metric: str, curves: Iterable[Curve]) -> str:
    """Returns "log" for a metric, not a rate, whose values are positive and far apart, as a loss that explodes."""
    values = np.concatenate([curve.value[np.isfinite(curve.value)] for curve in curves])
    if metric in METRICS or metric in _TITLES or not len(values) or values.min() <= 0:
        return "linear"
    return "log" if values.max() / values.min() > _RATIO else "linear"


def _formatter(metric: str) -> Any:
    if metric in METRICS:
        return NumeralTickFormatter(format="0.[0]%")
    return NumeralTickFormatter(format="0,0") if metric == "images_per_second" else PrintfTickFormatter(format="%.4g")


def new_figure(x_label: str, **options: Any) -> Any:
    """Returns an empty figure as wide as its place. No gesture is its own, so that the page scrolls under a finger."""
    usual: dict[str, Any] = {
        "height": 280,
        "sizing_mode": "stretch_width",
        "tools": [BoxZoomTool(), ResetTool(), SaveTool()],
        "toolbar_location": "above",
        "active_drag": None,
        "background_fill_color": None,
        "border_fill_color": None,
        "outline_line_color": None,
        "x_axis_label": x_label,
        "min_border_right": 12,
    }
    plot = figure(**usual | options)
    plot.toolbar.logo = None
    for axis in (plot.xaxis, plot.yaxis):
        axis.axis_line_color = axis.major_tick_line_color = axis.minor_tick_line_color = INK
        axis.axis_label_text_color = axis.major_label_text_color = INK
        axis.axis_label_text_font_style = "normal"
    plot.grid.grid_line_color, plot.grid.grid_line_alpha = INK, 0.25
    return plot

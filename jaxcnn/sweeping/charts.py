"""The charts of a sweep: the score of each trial in turn, and by each setting that was searched."""

from collections.abc import Sequence
from typing import Any

from bokeh.embed import json_item
from bokeh.models import ColumnDataSource, FactorRange, HoverTool, NumeralTickFormatter, Range1d

from jaxcnn.reporting.charts import INK, Chart, color, new_figure
from jaxcnn.sweeping.results import Found, said
from jaxcnn.sweeping.space import Dimension, Interval
from jaxcnn.sweeping.trials import METRIC, Trial

_HEIGHT = 340
_KINDS = ((0, "finished", "circle", 0.8), (1, "ended early", "x", 0.7))
"""Colour, name, mark and opacity of trials with a score, and of those that the pruner ended."""
_MARGIN = 0.05
"""Of an axis beyond its interval, as a share of it."""


def charts_of(found: Found) -> list[Chart]:
    """Returns all charts; none where no trial has been evaluated."""
    shown = [each for each in found.trials if each.curve]
    if not shown:
        return []
    return [_by_turn(shown), *(_by_setting(found, shown, each) for each in found.plan.space)]


def _by_turn(shown: Sequence[Trial]) -> Chart:
    plot = new_figure("trial", height=_HEIGHT)
    best, steps = 0.0, []
    for trial in shown:
        best = max(best, trial.score or 0.0)
        steps.append((trial.number, best))
    steps = [(number, value) for number, value in steps if value]
    if steps:
        x, y = zip(*steps, strict=True)
        plot.step(x, y, mode="after", color=INK, line_width=2, legend_label="best so far")
    _draw(plot, shown, {each.number: each.number for each in shown})
    about = f"validation {METRIC} of each trial, in the order in which they began"
    return Chart(title="trials", about=about, item=json_item(plot))


def _by_setting(found: Found, shown: Sequence[Trial], dimension: Dimension) -> Chart:
    name = found.plan.names[dimension.key]
    options: dict[str, Any] = {"height": _HEIGHT}
    if isinstance(dimension, Interval):
        options |= {"x_axis_type": "log" if dimension.log else "linear", "x_range": _range(dimension)}
    else:
        options["x_range"] = FactorRange(factors=list(dimension.texts))
    plot = new_figure(name, **options)
    _draw(plot, shown, {each.number: dimension.value(each.texts[dimension.key]) for each in shown})
    scale = ", on a logarithmic scale" if isinstance(dimension, Interval) and dimension.log else ""
    return Chart(title=name, about=f"validation {METRIC} of each trial by {dimension.key}{scale}", item=json_item(plot))


def _range(dimension: Interval) -> Range1d:
    """Returns the axis of an interval, with some room at its ends."""
    if dimension.log:
        factor = (dimension.high / dimension.low) ** _MARGIN
        return Range1d(dimension.low / factor, dimension.high * factor)
    room = (dimension.high - dimension.low) * _MARGIN
    return Range1d(dimension.low - room, dimension.high + room)


def _draw(plot: Any, shown: Sequence[Trial], x: dict[int, Any]) -> None:
    """Draws trials at their last validation accuracy, with their values where the mouse is."""
    plot.yaxis.formatter = NumeralTickFormatter(format="0.[0]%")
    plot.yaxis.axis_label = f"validation {METRIC}"
    drawn = []
    for number, label, marker, alpha in _KINDS:
        own = [each for each in shown if (each.score is None) == bool(number)]
        if not own:
            continue
        source = ColumnDataSource({
            "x": [x[each.number] for each in own],
            "y": [each.score if each.score is not None else list(each.curve.values())[-1] for each in own],
            "name": [each.name for each in own],
            "said": [said(each) for each in own],
            "values": [", ".join(f"{key} {value}" for key, value in each.job.cell.values.items()) for each in own],
        })  # fmt: skip
        options: dict[str, Any] = {"size": 10, "alpha": alpha, "color": color(number), "line_width": 2}
        drawn.append(plot.scatter("x", "y", marker=marker, source=source, legend_label=label, **options))
    plot.add_tools(HoverTool(renderers=drawn, tooltips=[("", "@name: @said"), ("", "@values")]))
    plot.legend.background_fill_alpha, plot.legend.border_line_color = 0, None
    plot.legend.label_text_color = INK
    plot.add_layout(plot.legend[0], "below")
    plot.legend.orientation = "horizontal"

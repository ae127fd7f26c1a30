"""Charts of numbers by layer and by example, by Bokeh."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from bokeh.embed import json_item
from bokeh.models import (
    ColumnDataSource,
    FixedTicker,
    HoverTool,
    NumeralTickFormatter,
    PlainText,
    PrintfTickFormatter,
    Span,
)

from jaxcnn.report.charts import COLORS, INK, Chart, new_figure

LEGEND = """
.legend { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 6px 0 0; }
"""
"""Rules of CSS for what colours mean."""
_NAMED = 24
"""Most layers whose names stand at the axis; hovering says the others."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Series:
    """Numbers of one kind, one for each layer; None where there is none."""

    name: str
    values: Sequence[float | None]
    color: str
    dashed: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scale:
    """The axis of the numbers."""

    unit: str
    """What stands at the axis."""
    log: bool = False
    share: bool = False
    """Whether the numbers are shares, from 0 to 1, that are shown in per cent."""
    marked: float | None = None
    """A number at which a line is drawn."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ByLayer:
    """A chart with what its colours mean."""

    chart: Chart
    legend: Sequence[tuple[str, str]]
    """Name and colour of each series; empty for one."""
    note: str
    """What to see in it, in a sentence or two."""


def by_layer(
    title: str, note: str, layers: Sequence[str], series: Sequence[Series], scale: Scale, *, axis: str = "layer"
) -> ByLayer:
    """Returns a chart of numbers by depth: layers from left to right in the order of computation.

    Args:
        title: above the chart.
        note: below it.
        layers: their paths.
        series: of a number for each.
        scale: of the numbers. On a logarithmic one, numbers that are not positive are left out.
        axis: what the layers are called at their axis.
    """
    shown = [_known(each, log=scale.log) for each in series]
    low, high = _ends([value for each in shown for value in each if value is not None], scale)
    plot = new_figure(
        f"{axis}, in the order of computation",
        y_axis_type="log" if scale.log else "linear",
        y_range=(low, high),
        height=300 if len(layers) > _NAMED else 380,
    )
    plot.yaxis.axis_label = scale.unit
    plot.yaxis.formatter = NumeralTickFormatter(format="0%") if scale.share else PrintfTickFormatter(format="%.3g")
    if scale.marked is not None:
        plot.add_layout(
            Span(location=scale.marked, dimension="width", line_color=INK, line_dash="dotted", line_width=2)
        )
    for each, values in zip(series, shown, strict=True):
        _draw(plot, layers, each, values)
    _name(plot, layers)
    legend = list(dict.fromkeys((each.name, each.color) for each in series)) if len(series) > 1 else []
    return ByLayer(chart=Chart(title=title, about=note, item=json_item(plot)), legend=legend, note=note)


def _draw(plot: Any, layers: Sequence[str], series: Series, values: Sequence[float | None]) -> None:
    there = [number for number, value in enumerate(values) if value is not None]
    columns: dict[str, Sequence[Any]] = {
        "place": [number + 1 for number in there],
        "value": [values[number] for number in there],
        "layer": [layers[number] for number in there],
    }
    source = ColumnDataSource(columns)
    dash = "dashed" if series.dashed else "solid"
    plot.line("place", "value", source=source, color=series.color, line_width=2, line_dash=dash)
    marks = plot.scatter("place", "value", source=source, color=series.color, size=7)
    tips = [("", "@layer"), (series.name, "@value{%.4g}")]
    plot.add_tools(HoverTool(renderers=[marks], tooltips=tips, formatters={"@value": "printf"}))


def _name(plot: Any, layers: Sequence[str]) -> None:
    if len(layers) > _NAMED:
        return
    places = list(range(1, len(layers) + 1))
    plot.xaxis.ticker = FixedTicker(ticks=places)
    plot.xaxis.major_label_overrides = {
        place: PlainText(text=layer) for place, layer in zip(places, layers, strict=True)
    }
    plot.xaxis.major_label_orientation = math.pi / 2.6


def _known(series: Series, *, log: bool) -> list[float | None]:
    return [
        None if value is None or not math.isfinite(value) or (log and value <= 0) else value for value in series.values
    ]


def _ends(values: Sequence[float], scale: Scale) -> tuple[float, float]:
    """Returns the ends of the axis: a little beyond the numbers, and beyond the number that is marked."""
    if scale.share:
        return 0.0, max([0.1, *(1.08 * value for value in values)])
    within = [*values, *([] if scale.marked is None else [scale.marked])] or [1.0]
    low, high = min(within), max(within)
    if scale.log:
        return low / 1.5, high * 1.5
    margin = 0.08 * ((high - low) or abs(high) or 1.0)
    return low - margin, high + margin


def loss_chart(steps: Sequence[int], losses: Sequence[float | None], step: int, loss: float) -> Chart:
    """Returns the losses of a run around a step, and that step.

    Args:
        steps: at which losses were logged.
        losses: means since the log before.
        step: that was taken again.
        loss: of its batch.
    """
    plot = new_figure("step")
    plot.yaxis.axis_label = "training loss, nats"
    rows = [(at, value) for at, value in zip(steps, losses, strict=True) if value is not None]
    source = ColumnDataSource({"step": [at for at, _ in rows], "loss": [value for _, value in rows]})
    line = plot.line("step", "loss", source=source, color=COLORS[0], line_width=1.6)
    if len(rows) <= 60:
        plot.scatter("step", "loss", source=source, color=COLORS[0], size=5)
    if math.isfinite(loss):
        plot.scatter([step], [loss], marker="diamond", size=16, color=COLORS[1])
    plot.add_layout(Span(location=step, dimension="height", line_color=COLORS[1], line_width=2, line_dash="dashed"))
    plot.add_tools(
        HoverTool(renderers=[line], mode="vline", tooltips=[("step", "@step{0,0}"), ("loss", "@loss{0.0000}")])
    )
    return Chart(title="training loss", about=f"as it was logged, and step {step}", item=json_item(plot))


def example_chart(losses: Sequence[float], names: Sequence[str]) -> Chart:
    """Returns the losses of the examples of a batch, the largest first; `names` say which each is."""
    plot = new_figure("example, the largest loss first")
    plot.yaxis.axis_label = "loss, nats"
    columns: Mapping[str, Sequence[Any]] = {
        "place": list(range(1, len(losses) + 1)),
        "loss": [value if math.isfinite(value) else None for value in losses],
        "name": list(names),
    }
    bars = plot.vbar(
        "place", top="loss", width=0.85, source=ColumnDataSource(columns), color=COLORS[0], line_color=None
    )
    plot.y_range.start = 0
    plot.add_tools(HoverTool(renderers=[bars], tooltips=[("", "@name"), ("loss", "@loss{0.0000}")]))
    return Chart(title="loss of each example", about="the largest loss first", item=json_item(plot))

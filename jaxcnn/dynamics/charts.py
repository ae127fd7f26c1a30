"""Charts of numbers by layer and by example, by Bokeh."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bokeh.embed import json_item
from bokeh.models import (
    BoxZoomTool,
    ColumnDataSource,
    FixedTicker,
    HoverTool,
    NumeralTickFormatter,
    PlainText,
    PrintfTickFormatter,
    ResetTool,
    SaveTool,
    Span,
)

from jaxcnn.reporting.charts import COLORS, INK, Chart, new_figure

LEGEND = """
.legend { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 6px 0 0; }
.stroke {
  display: inline-block; width: 2.4em; border-top: 3px solid var(--chip); vertical-align: 0.25em; margin-right: 0.5em;
}
.stroke.dashed { border-top-style: dashed; }
"""
"""Rules of CSS for what lines mean."""
_TICKS = 9
"""Most numbers at a logarithmic axis."""
_STEPS = (1, 2, 5)
"""Of ticks, times powers of ten."""
_NAMED = 24
"""Most layers whose names stand at the axis; hovering says the others."""
_TEXT = 14
"""Pixels of the text at the axes, which is read from the back of a lecture hall."""
_HEIGHT, _LETTER = 320, 0.5
"""Pixels of a chart without the names of layers; the room that a letter of a name needs below it, times `_TEXT`."""


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


class Stroke(NamedTuple):
    """What the line of a series looks like."""

    name: str
    color: str
    dashed: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class ByLayer:
    """A chart with what its lines mean."""

    chart: Chart
    legend: Sequence[Stroke]
    """Of each series; empty for one."""
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
        height=_HEIGHT + (0 if len(layers) > _NAMED else round(_LETTER * _TEXT * max(map(len, layers), default=0))),
    )
    for line in plot.axis:
        line.major_label_text_font_size = line.axis_label_text_font_size = f"{_TEXT}px"
    plot.yaxis.axis_label = scale.unit
    plot.yaxis.formatter = NumeralTickFormatter(format="0%") if scale.share else PrintfTickFormatter(format="%.3g")
    if scale.log:
        plot.yaxis.ticker = FixedTicker(ticks=log_ticks(low, high))
        # the ticks are fixed, so only the layers can be zoomed
        plot.tools = [BoxZoomTool(dimensions="width"), ResetTool(), SaveTool()]
    if scale.marked is not None:
        plot.add_layout(
            Span(location=scale.marked, dimension="width", line_color=INK, line_dash="dotted", line_width=2)
        )
    for each, values in zip(series, shown, strict=True):
        _draw(plot, layers, each, values)
    _name(plot, layers)
    strokes = list(dict.fromkeys(Stroke(each.name, each.color, each.dashed) for each in series))
    chart = Chart(title=title, about=note, item=json_item(plot))
    return ByLayer(chart=chart, legend=strokes if len(series) > 1 else [], note=note)


def log_ticks(low: float, high: float) -> list[float]:
    """Returns the numbers to be written at a logarithmic axis, three to nine of them.

    They are 1, 2 and 5 times powers of ten; powers alone where those are too many; on an axis that is shorter than a
    power of ten, they are equally far apart.

    Args:
        low: end of the axis, above 0.
        high: the other end, above `low`.
    """
    if high / low < 10:
        power = math.floor(math.log10(high - low))
        steps = [step * 10.0**each for each in (power - 1, power) for step in _STEPS]
        return next(each for each in (_multiples(step, low, high) for step in steps) if len(each) <= _TICKS)
    powers = [10.0**power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
    found = _within([step * power for power in powers for step in _STEPS], low, high)
    if len(found) > _TICKS:
        found = _within(powers, low, high)
    return found[:: -(-len(found) // _TICKS)]


def _within(numbers: Sequence[float], low: float, high: float) -> list[float]:
    return [each for each in numbers if low <= each <= high]


def _multiples(step: float, low: float, high: float) -> list[float]:
    return [step * number for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


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
    what = f"the diamond is the batch of step {step:,}" if math.isfinite(loss) else f"step {step:,} had no finite loss"
    about = f"the line is the mean loss of all steps since the log before, {what}"
    return Chart(title="training loss", about=about, item=json_item(plot))


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

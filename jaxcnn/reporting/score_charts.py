"""The charts of a run's scores: confusion matrix and reliability diagram."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from bokeh.embed import json_item
from bokeh.models import (
    ColorBar,
    ColumnDataSource,
    FixedTicker,
    HoverTool,
    LinearColorMapper,
    NumeralTickFormatter,
    PlainText,
)

from jaxcnn.reporting.charts import COLORS, INK, Chart, new_figure

_NUMBERED = 12
"""Most classes whose counts are written into the matrix."""
_NAME = 14
"""Characters of the name of a class beside the matrix; hovering shows all."""


def confusion_chart(counts: Sequence[Sequence[int]], names: Sequence[str]) -> Chart:
    """Returns the confusion matrix, coloured by the share of its row.

    Args:
        counts: (classes, classes), the rows are the truth.
        names: of the classes.
    """
    table = np.asarray(counts)
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    truth, guess = (place.ravel() for place in np.indices(table.shape))
    source = ColumnDataSource({
        "truth": truth.astype(np.int16),
        "guess": guess.astype(np.int16),
        "count": table.ravel().astype(np.int32),
        "share": share.ravel().astype(np.float32),
        "true_name": [names[each] for each in truth.tolist()],
        "guess_name": [names[each] for each in guess.tolist()],
    })  # fmt: skip
    end = len(table) - 0.5
    plot = new_figure("predicted", height=480, x_range=(-0.5, end), y_range=(end, -0.5), max_width=640)
    plot.yaxis.axis_label = "truth"
    mapper = LinearColorMapper(palette=_shades(COLORS[0]), low=0, high=1)
    cells = plot.rect(
        "guess", "truth", 0.96, 0.96, source=source, line_color=None, fill_color={"field": "share", "transform": mapper}
    )
    if len(table) <= _NUMBERED:
        _number(plot, table, share)
    for axis in (plot.xaxis, plot.yaxis):
        axis.ticker = FixedTicker(ticks=list(range(len(table))))
        axis.major_label_overrides = {place: PlainText(text=_short(name)) for place, name in enumerate(names)}
    if max(map(len, names)) > 3 or len(names) > _NUMBERED:
        plot.xaxis.major_label_orientation = math.pi / 3
    plot.grid.visible = False
    bar = ColorBar(color_mapper=mapper, title="share of the row", height=8, padding=4, background_fill_color=None)
    bar.title_text_color = bar.major_label_text_color = bar.major_tick_line_color = INK
    bar.title_text_font_style = "normal"
    bar.formatter = NumeralTickFormatter(format="0%")
    plot.add_layout(bar, "below")
    tips = [
        ("truth", "@true_name"),
        ("predicted", "@guess_name"),
        ("examples", "@count{0,0}"),
        ("of the row", "@share{0.0%}"),
    ]
    plot.add_tools(HoverTool(renderers=[cells], tooltips=tips))
    about = "rows are the truth, columns the prediction; coloured by the share of the row"
    return Chart(title="confusion", about=about, item=json_item(plot))


def _number(plot: Any, table: np.ndarray, share: np.ndarray) -> None:
    """Writes counts into the cells that have some: white into dark cells, and in the page's ink into others."""
    for dark in (True, False):
        truth, guess = np.nonzero((table > 0) & ((share > 0.7) == dark))
        text = [f"{each:,}" for each in table[truth, guess].tolist()]
        source = ColumnDataSource({"truth": truth, "guess": guess, "text": text})
        numbers = plot.text(
            *("guess", "truth", "text"),
            source=source,
            text_align="center",
            text_baseline="middle",
            text_font_size="11px",
            text_color="white" if dark else INK,
        )
        numbers.tags = [] if dark else ["ink"]


def reliability_chart(bins: Sequence[Mapping[str, Any]]) -> Chart:
    """Returns the reliability diagram: accuracy by confidence, and how far they are apart in each bin.

    Args:
        bins: as of `jaxcnn.evaluation.scores.score`.
    """
    columns = ("low", "high", "examples", "confidence", "accuracy")
    table = {name: [each[name] for each in bins if each["examples"]] for name in columns}
    ends = [sorted(pair) for pair in zip(table["accuracy"], table["confidence"], strict=True)]
    source = ColumnDataSource(table | {"least": [end[0] for end in ends], "most": [end[1] for end in ends]})
    plot = new_figure("confidence", height=360, x_range=(0, 1), y_range=(0, 1), max_width=640)
    plot.yaxis.axis_label = "accuracy"
    spans: dict[str, Any] = {"source": source, "left": "low", "right": "high", "line_color": None}
    parts = [
        plot.quad(bottom=0, top="least", fill_color=COLORS[0], fill_alpha=0.8, **spans),
        plot.quad(bottom="least", top="most", fill_color=COLORS[1], fill_alpha=0.55, **spans),
    ]
    plot.segment("low", "accuracy", "high", "accuracy", source=source, line_color=COLORS[0], line_width=3)
    plot.line([0, 1], [0, 1], line_dash="dashed", line_color=INK, line_width=1.5)
    for axis in (plot.xaxis, plot.yaxis):
        axis.formatter = NumeralTickFormatter(format="0%")
    tips = [
        ("confidence", "@low{0.0%} to @high{0.0%}"),
        ("examples", "@examples{0,0}"),
        ("their mean confidence", "@confidence{0.0%}"),
        ("their accuracy", "@accuracy{0.0%}"),
    ]
    plot.add_tools(HoverTool(renderers=parts, tooltips=tips))
    about = "accuracy of the examples of each bin of confidence, and how far it is from their mean confidence"
    return Chart(title="reliability", about=about, item=json_item(plot))


def _shades(color: str) -> list[str]:
    """Returns 256 colours that cover what is behind them more and more."""
    return [f"{color}{round(255 * (0.04 + 0.96 * level / 255)):02x}" for level in range(256)]


def _short(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"

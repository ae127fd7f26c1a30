"""The figures of experiments, as Bokeh's models: for a lecture hall, for print, and for eyes that see few colours.

A `[[picture]]` of an experiment.toml has `file`, `caption`, `kind`, perhaps `x_label` and `y_label`, and the keys of
its kind:

| kind | keys | what it shows |
|---|---|---|
| `scores` | `table`, `by` | mean accuracy of cells and its deviation by a value, a line for each of the others |
| `costs` | `table`, `names` | mean accuracy of cells by multiply-adds; marks grow with parameters; names as below |
| `curves` | `curves`, `metric`, `splits` | the mean curves of cells by epoch, the second split dashed |
| `points` | `of`, `x`, `y`, `group`, `names` | a point for each row of a CSV file; names: row -> [right, up], pixels |
| `lines` | `of`, `x`, `y`, `group`, perhaps `deviation` | a line through the rows of a CSV file for each group |
| `series` | `of`, `under` | a line for each list of numbers under a key of a JSON file, by their place from 0 |

`cells = [...]` draws only some cells, and `only = {column = "value"}` only some rows of `lines`.
`labels = {none = "no norm"}` says what lines and values are called, and `legend = "bottom_right"` puts the legend of
points into a corner. A picture without `kind` is made elsewhere.

Lines differ in colour and in mark. Numbers that are far apart are on a logarithmic axis, epochs never.
"""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bokeh.models import ColumnDataSource, CustomJSTickFormatter, FixedTicker, Legend, LegendItem

from jaxcnn.comparing.frozen import read_table
from jaxcnn.comparing.numbers import read_numbers
from jaxcnn.comparing.rows import Row
from jaxcnn.reporting.charts import color, new_figure

WIDTH, HEIGHT = 1600, 900
_INK = "#20262c"
_FONT = "DejaVu Sans, Arial, sans-serif"
_MARKS = ("circle", "square", "triangle", "diamond", "inverted_triangle", "hex", "star", "plus", "x", "asterisk")
_WIDE = 8
"""Largest number by the least from which on an axis is logarithmic."""
_UNITS = """
for (const [size, unit] of [[1e9, " G"], [1e6, " M"], [1e3, " k"]]) if (tick >= size) return tick / size + unit
return tick
"""
"""What is written at a large number."""
_SMALLEST, _LARGEST = 14, 80
"""Sizes of a mark without parameters and of the one with most, in pixels."""
_APART = 0.06
"""How far lines stand apart at a word, where a word takes 1."""


def plot_of(folder: Path, picture: Mapping[str, Any]) -> Any:
    """Returns the figure of a `[[picture]]`, for the files of a folder."""
    return _KINDS[picture["kind"]](folder, picture)


def sources_of(picture: Mapping[str, Any]) -> list[str]:
    """Returns the names of the files that a picture is drawn from."""
    return [picture[key] for key in ("table", "curves", "of") if key in picture]


def _scores(folder: Path, picture: Mapping[str, Any]) -> Any:
    frozen = read_table(folder / picture["table"])
    by, grid = picture["by"], frozen.results.grid
    rows = [row for row in frozen.results.rows if row.mean is not None and row.cell in picture.get("cells", [row.cell])]
    others = [name for name in grid.varied if name != by and len({row.values[name] for row in rows}) > 1]
    lines: dict[str, list[Row]] = {}
    for row in rows:
        lines.setdefault(", ".join(row.values[name] for name in others) or by, []).append(row)
    values = list(dict.fromkeys(row.values[by] for row in rows))
    places, scale = _places(values)
    plot = _figure(picture, by, f"{frozen.results.split} accuracy, %", x_axis_type=scale)
    plot.xaxis.ticker = FixedTicker(ticks=sorted(places.values()))
    plot.xaxis.major_label_overrides = {place: _label(picture, value) for value, place in places.items()}
    shift = 0.0 if _numbers(values) else _APART
    drawn = []
    for number, (name, own) in enumerate(lines.items()):
        aside = shift * (number - (len(lines) - 1) / 2)
        points = sorted((places[row.values[by]] + aside, 100 * row.mean, 100 * (row.std or 0)) for row in own)  # type: ignore[operator]
        drawn.append((name, _line(plot, points, number, joined=_numbers(values))))
    _legend(plot, [(_label(picture, name), glyphs) for name, glyphs in drawn])
    return plot


def _costs(folder: Path, picture: Mapping[str, Any]) -> Any:
    frozen = read_table(folder / picture["table"])
    rows = [row for row in frozen.results.rows if row.mean is not None and row.multiply_adds and row.parameters]
    plot = _figure(picture, "multiply-adds of an image", f"{frozen.results.split} accuracy, %", x_axis_type="log")
    plot.xaxis.formatter = CustomJSTickFormatter(code=_UNITS)
    plot.xaxis.ticker = [digit * 10.0**power for power in range(3, 12) for digit in (1, 2, 5)]
    most = max(row.parameters for row in rows)  # type: ignore[type-var]
    for row in rows:
        x, y = [row.multiply_adds], [100 * row.mean]  # type: ignore[operator]
        size = _SMALLEST + (_LARGEST - _SMALLEST) * math.sqrt(row.parameters / most)  # type: ignore[operator]
        plot.scatter(x, y, size=size, color=color(0), fill_alpha=0.4, line_width=2)
        _name(plot, x, y, _label(picture, row.cell), picture.get("names", {}).get(row.cell, [size / 2 + 8, 0]))
    plot.x_range.range_padding = plot.y_range.range_padding = 0.16  # names need room
    return plot


def _name(plot: Any, x: Sequence[Any], y: Sequence[Any], name: str, offset: Sequence[float]) -> None:
    """Writes a name beside a point, so many pixels to the right and up."""
    right, up = offset
    plot.text(
        x, y, [name],
        x_offset=right, y_offset=-up, text_font_size="21px", text_font={"value": _FONT}, text_color=_INK,
        text_baseline="middle", text_align="left" if right >= 0 else "right",
    )  # fmt: skip


def _line(plot: Any, points: Sequence[tuple[float, float, float]], number: int, *, joined: bool) -> list[Any]:
    """Draws (x, mean, deviation) points with their deviations; returns what a legend shows of them."""
    source = ColumnDataSource({
        "x": [x for x, *_ in points],
        "y": [mean for _, mean, _ in points],
        "low": [mean - deviation for _, mean, deviation in points],
        "high": [mean + deviation for _, mean, deviation in points],
    })  # fmt: skip
    plot.segment("x", "low", "x", "high", line_width=4, line_color=color(number), source=source)
    marks = plot.scatter("x", "y", size=17, marker=_mark(number), color=color(number), line_width=4, source=source)
    if not joined:
        return [marks]
    return [plot.line("x", "y", line_width=4, color=color(number), source=source), marks]


def _curves(folder: Path, picture: Mapping[str, Any]) -> Any:
    with (folder / picture["curves"]).open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == picture["metric"]]
    cells = picture.get("cells") or list(dict.fromkeys(row["cell"] for row in rows))
    share = picture["metric"] == "accuracy"
    values = [float(row["value"]) for row in rows if row["cell"] in cells]
    scale = "linear" if share or min(values) <= 0 or max(values) / min(values) < 10 * _WIDE else "log"
    splits = picture["splits"]
    what = {"train": "training", "val": "validation"}
    label = f"{' and '.join(what[split] for split in splits)} {picture['metric']}{', %' if share else ''}"
    plot = _figure(picture, "epoch", label, y_axis_type=scale)
    drawn = []
    for number, cell in enumerate(cells):
        for split in splits:
            own = [row for row in rows if (row["cell"], row["split"]) == (cell, split)]
            xs, ys = ([float(row[key]) for row in own] for key in ("epoch", "value"))
            ys = [100 * y for y in ys] if share else ys
            dash = "solid" if split == splits[0] else "dashed"
            line = plot.line(xs, ys, line_width=4, color=color(number), line_dash=dash)
            every = max(len(xs) // 8, 1)
            marks = plot.scatter(xs[::every], ys[::every], size=16, marker=_mark(number), color=color(number))
            name = _label(picture, cell)
            drawn.append((name if len(splits) == 1 else f"{name}, {what[split]}", [line, marks]))
    _legend(plot, drawn)
    return plot


def _points(folder: Path, picture: Mapping[str, Any]) -> Any:
    with (folder / picture["of"]).open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        first = (reader.fieldnames or [""])[0]
        rows = [row for row in reader if row[picture["x"]] and row[picture["y"]]]
    scales = {axis: _scale([float(row[picture[axis]]) for row in rows]) for axis in ("x", "y")}
    types = {f"{axis}_axis_type": scale for axis, scale in scales.items()}
    plot = _figure(picture, picture["x"], picture["y"], **types)
    for axis, scale in ((plot.xaxis, scales["x"]), (plot.yaxis, scales["y"])):
        if scale == "log":
            axis.formatter = CustomJSTickFormatter(code=_UNITS)
    drawn = []
    for number, group in enumerate(dict.fromkeys(row[picture["group"]] for row in rows)):
        own = [row for row in rows if row[picture["group"]] == group]
        xs, ys = ([float(row[picture[axis]]) for row in own] for axis in ("x", "y"))
        marks = plot.scatter(xs, ys, size=17, marker=_mark(number), color=color(number), fill_alpha=0.7, line_width=2)
        drawn.append((group, [marks]))
    for row in rows:
        if row[first] in picture["names"]:
            x, y = ([float(row[picture[axis]])] for axis in ("x", "y"))
            _name(plot, x, y, row[first], picture["names"][row[first]])
    plot.x_range.range_padding = plot.y_range.range_padding = 0.16  # names need room
    _legend(plot, drawn, picture.get("legend", "right"))
    return plot


def _lines(folder: Path, picture: Mapping[str, Any]) -> Any:
    with (folder / picture["of"]).open(encoding="utf-8", newline="") as file:
        only = picture.get("only", {}).items()
        rows = [row for row in csv.DictReader(file) if all(row[name] == value for name, value in only)]
    values = list(dict.fromkeys(row[picture["x"]] for row in rows))
    places, scale = _places(values)
    plot = _figure(picture, picture["x"], picture["y"], x_axis_type="linear" if picture["x"] == "epoch" else scale)
    plot.xaxis.ticker = FixedTicker(ticks=sorted(places.values()))
    plot.xaxis.major_label_overrides = {place: _label(picture, value) for value, place in places.items()}
    drawn = []
    for number, group in enumerate(dict.fromkeys(row[picture["group"]] for row in rows)):
        own = [row for row in rows if row[picture["group"]] == group]
        points = [
            (places[row[picture["x"]]], float(row[picture["y"]]), float(row.get(picture.get("deviation", ""), 0)))
            for row in own
        ]
        drawn.append((_label(picture, group), _line(plot, sorted(points), number, joined=_numbers(values))))
    _legend(plot, drawn)
    return plot


def _series(folder: Path, picture: Mapping[str, Any]) -> Any:
    lines = read_numbers(folder / picture["of"])[picture["under"]]
    plot = _figure(picture, "place", "value", y_axis_type=_scale([value for line in lines.values() for value in line]))
    drawn = []
    for number, (name, values) in enumerate(lines.items()):
        places = list(range(len(values)))
        line = plot.line(places, values, line_width=4, color=color(number))
        marks = plot.scatter(places, values, size=18, marker=_mark(number), color=color(number))
        drawn.append((_label(picture, name), [line, marks]))
    _legend(plot, drawn)
    return plot


def _label(picture: Mapping[str, Any], name: str) -> str:
    """Returns what a line or a value is called in the figure."""
    return str(picture.get("labels", {}).get(name, name))


def _mark(number: int) -> str:
    return _MARKS[number % len(_MARKS)]


def _numbers(values: Sequence[str]) -> bool:
    try:
        return all(math.isfinite(float(value)) for value in values) and len(values) > 1
    except ValueError:
        return False


def _places(values: Sequence[str]) -> tuple[dict[str, float], str]:
    """Returns where each value stands on an axis, and the kind of the axis."""
    if not _numbers(values):
        return {value: float(place) for place, value in enumerate(values)}, "linear"
    return {value: float(value) for value in values}, _scale([float(value) for value in values])


def _scale(numbers: Sequence[float]) -> str:
    return "log" if min(numbers) > 0 and max(numbers) / min(numbers) >= _WIDE else "linear"


def _figure(picture: Mapping[str, Any], x_label: str, y_label: str, **options: Any) -> Any:
    """Returns an empty figure with large dark letters on white."""
    plot = new_figure(
        picture.get("x_label", x_label),
        width=WIDTH, height=HEIGHT, sizing_mode=None, toolbar_location=None, tools=[],
        y_axis_label=picture.get("y_label", y_label),
        background_fill_color="white", border_fill_color="white", min_border=24,
        **options,
    )  # fmt: skip
    for axis in (plot.xaxis, plot.yaxis):
        axis.axis_line_color = axis.major_tick_line_color = _INK
        axis.minor_tick_line_color = None
        axis.axis_label_text_color = axis.major_label_text_color = _INK
        axis.axis_label_text_font_size, axis.major_label_text_font_size = "32px", "28px"
        axis.axis_label_text_font = axis.major_label_text_font = _FONT
        axis.axis_line_width = 2
    plot.grid.grid_line_color, plot.grid.grid_line_alpha = "#c8ccd0", 0.8
    return plot


def _legend(plot: Any, drawn: Sequence[tuple[str, Sequence[Any]]], place: str = "right") -> None:
    """Puts a legend on the right, or in a corner of the figure."""
    if len(drawn) < 2:
        return
    items = [LegendItem(label=name, renderers=list(glyphs)) for name, glyphs in drawn]
    size = "26px" if len(items) <= 16 else "20px"
    legend = Legend(
        items=items, label_text_font_size=size, label_text_font=_FONT, label_text_color=_INK, border_line_color=None,
        glyph_width=56, glyph_height=34, spacing=6,
    )  # fmt: skip
    legend.location = "top_left" if place == "right" else place
    plot.add_layout(legend, "right" if place == "right" else "center")


_KINDS = {
    "scores": _scores,
    "costs": _costs,
    "curves": _curves,
    "points": _points,
    "lines": _lines,
    "series": _series,
}

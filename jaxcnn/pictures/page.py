"""The pictures as one HTML file, by the machinery of the report's page."""

import importlib.resources
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from PIL import Image

from jaxcnn.data.read.transforms import to_pil
from jaxcnn.pictures.tiles import SIDE, Band, Tile, magnified
from jaxcnn.reporting.charts import Chart
from jaxcnn.reporting.page import render
from jaxcnn.reporting.pictures import picture_address

_PACKAGE = "jaxcnn.pictures"
_MANY, _NARROW = 5, 160
"""Columns from which on pictures are smaller, and their sides in pixels: so a laptop's window has seven."""


def page(title: str, bands: Sequence[Band], charts: Sequence[Chart], notes: Sequence[str]) -> str:
    """Returns the page. Pictures need no script.

    Args:
        title: of the page.
        bands: rows of pictures.
        charts: below them.
        notes: sentences at the end.
    """
    facts = {"title": title, "bands": [_band(band) for band in bands if band.rows], "charts": charts, "notes": notes}
    style = (importlib.resources.files(_PACKAGE) / "templates" / "visualize.css").read_text(encoding="utf-8")
    return render(facts, "visualize.html", package=_PACKAGE, style=style, charts=bool(charts))


def _band(band: Band) -> dict[str, Any]:
    side = band.side or SIDE
    if max(map(len, band.rows)) > _MANY:
        side = min(side, _NARROW)
    rows = [[_tile(tile, side) for tile in row] for row in band.rows]
    heads = [*zip_longest(band.columns, band.units, fillvalue="")]
    return {"head": band.head, "columns": heads, "rows": rows}


def _tile(tile: Tile, side: int) -> dict[str, Any]:
    if tile.pixels is None:
        return {"picture": None, "lines": tile.lines}
    height, width = magnified(tile.pixels, side).shape[:2]
    image: Image.Image = to_pil(tile.pixels)
    return {"picture": picture_address(image, "PNG"), "width": width, "height": height, "lines": tile.lines}

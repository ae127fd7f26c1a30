"""Sheets of small pictures with text below each, by Pillow. Imports no JAX."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from jaxcnn.data.read.transforms import to_pil

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
SIDE = 192
"""Pixels of a side that small pictures are magnified to, at most."""
_TEXT, _GAP = 17, 10
"""Pixels: height of letters, and space between pictures. A sheet of six columns fills a projected slide."""
_LINES = 3
"""Most lines that a text is broken into."""
_PAPER, _INK = "white", "black"


class Tile(NamedTuple):
    """A picture and the text below it."""

    pixels: np.ndarray | None
    """(height, width, 1 or 3) uint8; None: the place is empty."""
    lines: Sequence[str] = ()
    """Each begins a line, and is broken where it is too long."""


class Band(NamedTuple):
    """Rows of pictures under a heading."""

    rows: Sequence[Sequence[Tile]]
    head: str = ""
    columns: Sequence[str] = ()
    """Text above each column."""


class _Style(NamedTuple):
    """How a sheet is set."""

    side: int
    text: int
    gap: int
    lines: int

    @property
    def line(self) -> int:
        """Pixels from line to line."""
        return round(1.25 * self.text)

    @property
    def font(self) -> Font:
        """Of all texts."""
        return ImageFont.load_default(self.text)


def magnified(pixels: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Returns pixels (height, width, channels) as squares, so that the longer side is `side` at most.

    Larger pictures are not changed: no pixel is ever divided.
    """
    factor = max(1, side // max(pixels.shape[:2]))
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)


def sheet(title: str, bands: Sequence[Band], *, side: int = SIDE) -> Image.Image:
    """Returns pictures in rows, with a title, headings, and text below each picture.

    Args:
        title: line above all.
        bands: from top to bottom.
        side: pixels of a side that small pictures are magnified to, at most.
    """
    return _sheet(title, bands, _Style(side, _TEXT, _GAP, _LINES))


def contact_sheet(images: np.ndarray, captions: Sequence[Sequence[str]], title: str) -> Image.Image:
    """Returns many images in rows, with small text. Text that is too long for its column is cut off.

    Args:
        images: (count, height, width, 1 or 3) uint8.
        captions: lines of text for each image.
        title: line above the images.
    """
    columns = min(len(images), max(8, round(len(images) ** 0.5)))
    tiles = [Tile(image, lines) for image, lines in zip(images, captions, strict=True)]
    rows = [tiles[start : start + columns] for start in range(0, len(tiles), columns)]
    return _sheet(title, [Band(rows)], _Style(side=128, text=12, gap=8, lines=1))


def _sheet(title: str, bands: Sequence[Band], style: _Style) -> Image.Image:
    """Returns a sheet that is just as large as what is on it; it is laid out before it is drawn."""
    tiles = [tile for band in bands for row in band.rows for tile in row]
    widths = [magnified(tile.pixels, style.side).shape[1] for tile in tiles if tile.pixels is not None]
    across = max([style.side, *widths]) + style.gap
    columns = max((len(row) for band in bands for row in band.rows), default=1)
    width = max(columns * across, round(style.font.getlength(title)) + style.gap) + style.gap
    placed = _Placed(style, across)
    placed.text(style.gap, title, width - 2 * style.gap)
    placed.down(style.line + style.gap)
    for band in bands:
        placed.band(band, width)
    found = Image.new("RGB", (width, placed.top), _PAPER)
    draw = ImageDraw.Draw(found)
    for left, top, pixels in placed.pictures:
        found.paste(to_pil(pixels), (left, top))
    for left, top, text in placed.texts:
        draw.text((left, top), text, _INK, style.font)
    return found


class _Placed:
    """What stands where on a sheet, so far."""

    def __init__(self, style: _Style, across: int) -> None:
        self.style, self.across, self.top = style, across, style.gap
        self.pictures: list[tuple[int, int, np.ndarray]] = []
        self.texts: list[tuple[int, int, str]] = []

    def down(self, pixels: int) -> None:
        """Goes on further below."""
        self.top += pixels

    def text(self, left: int, text: str, width: int, below: int = 0) -> int:
        """Places a text that is no wider than `width`; returns the number of its lines."""
        lines = broken(text, width, self.style.font, self.style.lines)
        for number, line in enumerate(lines):
            self.texts.append((left, self.top + below + number * self.style.line, line))
        return len(lines)

    def band(self, band: Band, width: int) -> None:
        """Places a heading, what stands above columns, and rows."""
        gap, line = self.style.gap, self.style.line
        if band.head:
            self.down(self.text(gap, band.head, width - 2 * gap) * line + gap // 2)
        if band.columns:
            places = [gap + number * self.across for number in range(len(band.columns))]
            heads = zip(places, band.columns, strict=True)
            self.down(max(self.text(left, text, self.across - gap) for left, text in heads) * line + gap // 2)
        for row in band.rows:
            self._row(row)

    def _row(self, row: Sequence[Tile]) -> None:
        shown = [None if tile.pixels is None else magnified(tile.pixels, self.style.side) for tile in row]
        height = max((len(pixels) for pixels in shown if pixels is not None), default=0)
        most = 0
        for number, (tile, pixels) in enumerate(zip(row, shown, strict=True)):
            left, lines = self.style.gap + number * self.across, 0
            if pixels is not None:
                self.pictures.append((left, self.top, pixels))
            for text in tile.lines:
                below = height + lines * self.style.line
                lines += self.text(left, text, self.across - self.style.gap, below)
            most = max(most, lines)
        self.down(height + most * self.style.line + self.style.gap)


def broken(text: str, width: int, font: Font, most: int) -> list[str]:
    """Returns a text in at most so many lines that are no wider than `width` pixels; what is left over is cut off."""
    words = text.split(" ")
    lines: list[str] = []
    while words:
        line = words.pop(0)
        while words and len(lines) + 1 < most and font.getlength(f"{line} {words[0]}") <= width:
            line = f"{line} {words.pop(0)}"
        if len(lines) + 1 == most:
            line, words = " ".join([line, *words]), []
        lines.append(_fit(line, width, font))
    return lines


def _fit(text: str, width: int, font: Font) -> str:
    """Returns the text, cut off where it is wider than `width` pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."

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
    units: Sequence[str] = ()
    """Below that, for each column, what its numbers are."""
    side: int | None = None
    """Pixels of a side that its small pictures are magnified to, at most; None: that of the sheet."""


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

    def across(self, band: Band) -> int:
        """Pixels from column to column."""
        pictures = [tile.pixels for row in band.rows for tile in row if tile.pixels is not None]
        return max([self.side, *(magnified(pixels, self.side).shape[1] for pixels in pictures)]) + self.gap


def magnified(pixels: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Returns pixels (height, width, channels) as squares, so that the longer side is `side` at most.

    Larger pictures are not changed: no pixel is ever divided.
    """
    factor = max(1, side // max(pixels.shape[:2]))
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)


def grid(pictures: np.ndarray, *, columns: int, gap: int = 1) -> np.ndarray:
    """Returns small pictures side by side as one, with white lines between them.

    Args:
        pictures: (count, height, width, channels) uint8.
        columns: of the grid.
        gap: pixels between pictures.

    Returns:
        (rows, columns, channels) uint8.
    """
    count, height, width, channels = pictures.shape
    down, across = -(-count // columns), min(columns, count)
    found = np.full((down * (height + gap) - gap, across * (width + gap) - gap, channels), 255, np.uint8)
    for number, picture in enumerate(pictures):
        top, left = number // columns * (height + gap), number % columns * (width + gap)
        found[top : top + height, left : left + width] = picture
    return found


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
    styles = [style if band.side is None else style._replace(side=band.side) for band in bands]
    widths = [
        max(len(row) for row in band.rows) * own.across(band)
        for band, own in zip(bands, styles, strict=True)
        if band.rows
    ]
    width = max([*widths, round(style.font.getlength(title)) + style.gap]) + style.gap
    placed = _Placed(style.gap)
    placed.text(style, style.gap, title, width - 2 * style.gap)
    placed.down(style.line + style.gap)
    for band, own in zip(bands, styles, strict=True):
        placed.band(band, own, width)
    found = Image.new("RGB", (width, placed.top), _PAPER)
    draw = ImageDraw.Draw(found)
    for left, top, pixels in placed.pictures:
        found.paste(to_pil(pixels), (left, top))
    for left, top, text in placed.texts:
        draw.text((left, top), text, _INK, style.font)
    return found


class _Placed:
    """What stands where on a sheet, so far."""

    def __init__(self, top: int) -> None:
        self.top = top
        self.pictures: list[tuple[int, int, np.ndarray]] = []
        self.texts: list[tuple[int, int, str]] = []

    def down(self, pixels: int) -> None:
        """Goes on further below."""
        self.top += pixels

    def text(self, style: _Style, left: int, text: str, width: int, below: int = 0) -> int:
        """Places a text that is no wider than `width`; returns the number of its lines."""
        lines = broken(text, width, style.font, style.lines)
        for number, line in enumerate(lines):
            self.texts.append((left, self.top + below + number * style.line, line))
        return len(lines)

    def band(self, band: Band, style: _Style, width: int) -> None:
        """Places a heading, what stands above columns, and rows."""
        gap, across = style.gap, style.across(band)
        if band.head:
            self.down(self.text(style, gap, band.head, width - 2 * gap) * style.line + gap // 2)
        for heads in filter(None, (band.columns, band.units)):
            lines = [self.text(style, gap + number * across, text, across - gap) for number, text in enumerate(heads)]
            self.down(max(lines) * style.line)
        self.down(gap // 2 if band.columns else 0)
        for row in band.rows:
            self._row(row, style, across)

    def _row(self, row: Sequence[Tile], style: _Style, across: int) -> None:
        shown = [None if tile.pixels is None else magnified(tile.pixels, style.side) for tile in row]
        height = max((len(pixels) for pixels in shown if pixels is not None), default=0)
        most = 0
        for number, (tile, pixels) in enumerate(zip(row, shown, strict=True)):
            left, lines = style.gap + number * across, 0
            if pixels is not None:
                self.pictures.append((left, self.top, pixels))
            for text in tile.lines:
                lines += self.text(style, left, text, across - style.gap, height + lines * style.line)
            most = max(most, lines)
        self.down(height + most * style.line + style.gap)


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

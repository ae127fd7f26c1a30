"""Makes a contact sheet: images in rows, with lines of text under each. Imports no JAX."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from jaxcnn.data.read.transforms import to_pil

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_SIDE = 128  # pixels: small images are magnified to at most this
_TEXT, _LINE, _GAP = 12, 15, 8  # pixels: height of letters and of a line, and space between images
_PAPER, _INK = "white", "black"


def contact_sheet(images: np.ndarray, captions: Sequence[Sequence[str]], title: str) -> Image.Image:
    """Returns the images in rows. Small ones are magnified by a whole factor, so that each pixel stays a square.

    Args:
        images: (count, height, width, 1 or 3) uint8.
        captions: lines of text for each image. Text that is too long for its column is cut off.
        title: line above the images.
    """
    factor = max(1, _SIDE // max(images.shape[1:3]))
    height, width = (side * factor for side in images.shape[1:3])
    columns = min(len(images), max(8, round(len(images) ** 0.5)))
    across = max(width, _SIDE) + _GAP
    down = height + _LINE * max(map(len, captions)) + _GAP
    font = ImageFont.load_default(_TEXT)
    rows = -(-len(images) // columns)
    size = max(columns * across, round(font.getlength(title)) + _GAP) + _GAP, rows * down + _LINE + 2 * _GAP
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, _GAP), title, _INK, font)
    for number, (image, lines) in enumerate(zip(images, captions, strict=True)):
        left, top = _GAP + number % columns * across, _LINE + 2 * _GAP + number // columns * down
        sheet.paste(to_pil(image).resize((width, height), Image.Resampling.NEAREST), (left, top))
        for line, text in enumerate(lines):
            draw.text((left, top + height + line * _LINE), _fit(text, across - _GAP, font), _INK, font)
    return sheet


def _fit(text: str, width: int, font: Font) -> str:
    """Returns the text, cut off where it is wider than `width` pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."

"""Colours of numbers, on a scale that is written beside them. Imports no JAX.

Amounts are drawn in viridis, signed numbers in ColorBrewer's RdBu, whose middle is 0: blue is negative, red positive.
Both are told apart by people who are colour-blind.
"""

import functools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from jaxcnn.reporting.files import check_packages

_PALETTES = {False: "Viridis256", True: "RdBu11"}
"""Of amounts, and of signed numbers; names of `bokeh.palettes`."""
_SHARE = 0.99
"""Of the values of maps that lie within their scale: a few extreme ones would leave all others dark."""
_TONES = (56, 224)
"""Of black and white below colours."""
_NOT_FINITE = 128
"""Grey of a value that is not finite."""


class Scale(NamedTuple):
    """Which numbers the ends of a palette are."""

    top: float
    """The highest end; 0: there is nothing to show."""
    signed: bool = False
    """Whether the lowest end is -top, in place of 0."""
    beyond: float = 0.0
    """Share of the values beyond the ends, which have the colours of the ends."""

    @property
    def ends(self) -> tuple[float, float]:
        """The numbers at both ends."""
        return (-self.top if self.signed else 0.0), self.top

    def __str__(self) -> str:
        """Returns it in words: "0 to 0.42, 1% beyond"."""
        if not self.top:
            return "all 0"
        ends = f"±{self.top:.2g}" if self.signed else f"0 to {self.top:.2g}"
        return ends + (f", {100 * self.beyond:.1g}% beyond" if self.beyond >= 0.0005 else "")


def scale_of(maps: Iterable[np.ndarray], *, signed: bool = False, share: float = _SHARE) -> Scale:
    """Returns one scale for several maps, so that they can be compared.

    Args:
        maps: arrays of any shapes. Values that are not finite do not count.
        signed: whether numbers below 0 are shown; else they have the colour of 0.
        share: of the values that lie within the scale; 1: it ends at the largest.
    """
    values = np.concatenate([np.zeros(1), *(np.asarray(each, np.float64).ravel() for each in maps)])
    values = values[np.isfinite(values)]
    sizes = np.abs(values) if signed else np.maximum(values, 0)
    top = float(np.quantile(sizes, share, method="higher")) or float(sizes.max())
    return Scale(top, signed, float(np.mean(sizes > top)))


def colored(values: np.ndarray, scale: Scale) -> np.ndarray:
    """Returns the colours of numbers, (..., 3) uint8, for `values` (...) of any shape; grey where they are not finite.

    Raises:
        UserError: if Bokeh, whose palettes these are, is not installed.
    """
    known = np.isfinite(values)
    relative = np.where(known, values, 0) / (scale.top or 1.0)
    place = (relative + 1) / 2 if scale.signed else relative
    anchors = _anchors(_PALETTES[scale.signed])
    levels = [np.interp(place, np.linspace(0, 1, len(anchors)), channel) for channel in anchors.T]
    found = np.stack(np.broadcast_arrays(*levels), axis=-1)
    return np.where(known[..., None], np.rint(found), _NOT_FINITE).astype(np.uint8)


def bar(scale: Scale, *, width: int = 256, height: int = 12) -> np.ndarray:
    """Returns the palette from its lowest to its highest end, (height, width, 3) uint8."""
    row = colored(np.linspace(*scale.ends, width) if scale.top else np.zeros(width), scale)
    return np.broadcast_to(row, (height, width, 3)).copy()


def greys(*, width: int = 256, height: int = 12) -> np.ndarray:
    """Returns the greys of a map that is drawn as an image, from black by the middle grey to white, as `bar`."""
    found = np.broadcast_to(grey(np.linspace(-1, 1, width), 1.0)[:, None], (height, width, 1)).copy()
    found[[0, -1]], found[:, -1] = 0, 0  # a frame, since its end is white
    return found


def grey(values: np.ndarray, top: float) -> np.ndarray:
    """Returns signed numbers as the pixels of an image, uint8: 0 is the middle grey, `-top` black and `top` white.

    Args:
        values: of any shape.
        top: number, or array that broadcasts; where it is 0, all is grey.
    """
    return np.clip(np.rint(127.5 + 127.5 * values / np.where(top, top, 1.0)), 0, 255).astype(np.uint8)


def laid_over(image: np.ndarray, colors: np.ndarray, *, opacity: float = 0.5) -> np.ndarray:
    """Returns colours laid over the grey tones of an image, so that a colour is never the image's.

    Black and white become a dark and a light grey, on which all colours can be told.

    Args:
        image: (height, width, 1 or 3) uint8.
        colors: (height, width, 3) uint8.
        opacity: of the colours.

    Returns:
        (height, width, 3) uint8.
    """
    weights = np.array([0.299, 0.587, 0.114]) if image.shape[-1] == 3 else np.ones(1)  # luma of ITU-R BT.601
    dark, light = _TONES
    grey = dark + (image @ weights)[..., None] * (light - dark) / 255
    return np.rint((1 - opacity) * grey + opacity * colors).astype(np.uint8)


@functools.cache
def _anchors(name: str) -> np.ndarray:
    """Returns the colours of a palette from its lowest to its highest end, (colours, 3)."""
    check_packages("a picture")
    from bokeh import palettes

    colors = [color.lstrip("#") for color in getattr(palettes, name)]
    return np.array([[int(color[at : at + 2], 16) for at in (0, 2, 4)] for color in colors], np.float64)

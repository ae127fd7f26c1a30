"""The maps of a step as small pictures: its strongest channels, on one scale, and the unit whose field is shown."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from PIL import Image

from jaxcnn.pictures.colors import Scale, colored, scale_of
from jaxcnn.reporting.pictures import picture_address

MOST, MOST_OF_TWO = 12, 8
"""Most channels of a step that are shown of one net, and of each of two."""
SIDE = 56
"""Most cells of a side of a picture; larger maps are thinned."""
_LEVELS = 64
"""Colours of a scale: so few that pictures are small, and so many that no step is seen."""


class Unit(NamedTuple):
    """A value of a map."""

    channel: int
    row: int
    column: int
    value: float


class Tile(NamedTuple):
    """The map of a channel as a picture."""

    channel: int
    picture: str
    """As the address of an image."""
    width: int
    """Cells."""
    height: int


def strongest(output: np.ndarray, most: int) -> list[int]:
    """Returns the channels of a map (height, width, channels) whose mean size is largest, the largest first."""
    size = np.abs(output).mean(axis=(0, 1))
    return np.argsort(-np.nan_to_num(size), kind="stable")[:most].tolist()


def unit_of(output: np.ndarray, channel: int) -> Unit:
    """Returns the largest value of a channel of a map; the middle one, if all are equal."""
    values = output[..., channel]
    height, width = values.shape
    found = np.nan_to_num(values, nan=-np.inf)
    row, column = np.unravel_index(int(found.argmax()), values.shape)
    if values.min() == values.max():
        row, column = height // 2, width // 2
    return Unit(channel, int(row), int(column), float(values[row, column]))


def common_scale(outputs: Iterable[np.ndarray]) -> Scale:
    """Returns one scale for what several nets give at a step: signed, if any of their values is below 0."""
    shown = list(outputs)
    return scale_of(shown, signed=any(bool((each < 0).any()) for each in shown))


def thinning(side: int) -> int:
    """Returns how many cells of a map of this side, along each axis, become one of a picture."""
    return -(-side // SIDE)


def tiles(output: np.ndarray, channels: Iterable[int], scale: Scale) -> list[Tile]:
    """Returns the maps of channels of an array (height, width, channels) as pictures."""
    found = []
    for channel in channels:
        values = _thinned(output[..., channel])
        found.append(Tile(channel, drawn(values, scale), values.shape[1], values.shape[0]))
    return found


def strip(values: np.ndarray, scale: Scale) -> Tile:
    """Returns features (features,) as one picture, row by row."""
    count = len(values)
    columns = count if count <= 16 else _columns(count)
    grid = np.full((-(-count // columns), columns), np.nan, np.float32)
    grid.flat[:count] = values
    return Tile(0, drawn(grid, scale), columns, len(grid))


def _columns(count: int) -> int:
    """Returns the least divisor that makes no column longer than a row, or nearly so."""
    least = math.isqrt(count - 1) + 1
    return next((each for each in range(least, 4 * least) if count % each == 0), least)


def _thinned(values: np.ndarray) -> np.ndarray:
    """Returns means over squares of cells, so that no side is above `SIDE`; the last ones may be over fewer."""
    factor = thinning(max(values.shape))
    if factor == 1:
        return values
    height, width = values.shape
    rows, columns = np.arange(0, height, factor), np.arange(0, width, factor)
    sums = np.add.reduceat(np.add.reduceat(values, rows, axis=0), columns, axis=1)
    counts = np.outer(np.diff([*rows, height]), np.diff([*columns, width]))
    return sums / counts.astype(np.float32)


def drawn(values: np.ndarray, scale: Scale) -> str:
    """Returns numbers (height, width) as the address of a picture, in the colours of a scale."""
    top = scale.top or 1.0
    levels = np.rint(np.clip(values / top, -1, 1) * _LEVELS) / _LEVELS * top
    pixels = colored(levels, scale)
    known, places = np.unique(pixels.reshape(-1, 3), axis=0, return_inverse=True)
    image = Image.fromarray(places.reshape(values.shape).astype(np.uint8), "P")
    image.putpalette(known.astype(np.uint8).tobytes())
    return picture_address(image, "PNG")

"""How much of an image one cell of a layer sees: by arithmetic, and as measured before and after training.

Luo et al., "Understanding the effective receptive field in deep convolutional neural networks", arXiv:1701.04128: the
gradient of a cell is large in the middle of its receptive field, and vanishes towards the border.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxcnn.pictures.colors import bar, colored, laid_over, scale_of
from jaxcnn.pictures.nets import Net
from jaxcnn.pictures.places import places_of
from jaxcnn.pictures.shown import Shown
from jaxcnn.pictures.tiles import Band, Tile, magnified
from jaxcnn.types import Variables

DRAWS = 8
"""Random weights of the channels over which the gradient is averaged."""
SHARE = 0.95
"""Of the squared gradient: what the measured side holds."""
_BOX, _LINE = (255, 64, 0), 2
"""Colour of a box, and pixels of its lines."""
_SIDE = 320


class Support(NamedTuple):
    """What a cell in the middle of a layer's map sees."""

    box: tuple[float, float, float, float]
    """First row, first column, last row and last column of the receptive field, also in the padding; infinite if it is
    the whole image."""
    trained: np.ndarray
    """(height, width) float64, the root of the mean square of the gradient of the cell's channels."""
    fresh: np.ndarray
    """Likewise with new weights."""
    layer: str

    @property
    def size(self) -> tuple[int, int] | None:
        """Rows and columns of the field; None if it is the whole image."""
        sides = self.box[2] - self.box[0] + 1, self.box[3] - self.box[1] + 1
        return (int(sides[0]), int(sides[1])) if np.isfinite(sides).all() else None

    def as_dict(self) -> dict[str, Any]:
        """Returns it for JSON; of the measured gradient, the side that holds 95 % of its square."""
        return {
            "layer": self.layer,
            "field": self.size,
            "box": None if self.size is None else list(self.box),
            "side_before": side_of(self.fresh, self.box),
            "side_after": side_of(self.trained, self.box),
        }


def support_of(net: Net, image: Shown, layer: str) -> Support:
    """Returns what the cell in the middle of a layer's map sees of an image.

    The channels are summed with random normal weights. Then the mean square of the gradient is the sum of the squares
    of those of all channels.

    Args:
        net: trained.
        image: as the net sees it.
        layer: name of a layer with a map.
    """
    rows, columns = places_of(net.program, layer)
    place = [size // 2 for size in net.program.layers[layer][:2]]
    box = rows.first[place[0]], columns.first[place[1]], rows.last[place[0]], columns.last[place[1]]
    trained, fresh = (_measured(net, variables, image, layer, place) for variables in (net.variables, net.control))
    return Support((float(box[0]), float(box[1]), float(box[2]), float(box[3])), trained, fresh, layer)


def _measured(net: Net, variables: Variables, image: Shown, layer: str, place: Sequence[int]) -> np.ndarray:
    random = np.random.default_rng(0)
    weights = random.standard_normal((DRAWS, net.program.layers[layer][2]), np.float32)
    inputs = np.repeat(np.asarray(net.subject.whitened(image.pixels[None])), DRAWS, axis=0)
    cells = np.broadcast_to(np.array(place, np.int32), (DRAWS, 2))
    gradient = np.asarray(net.program.unit(variables, inputs, cells, weights, layer=layer), np.float64)
    return np.sqrt(np.square(gradient).sum(axis=-1).mean(axis=0))


def side_of(values: np.ndarray, box: tuple[float, float, float, float]) -> int:
    """Returns the side of the smallest square around the middle of a field that holds 95 % of the squared gradient.

    Args:
        values: (height, width), the gradient.
        box: the field, as of `Support`; if it is the whole image, the square is around the centre of mass.
    """
    squares = np.square(values)
    if not squares.sum():
        return 0
    middle = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]
    if not np.isfinite(middle).all():
        middle = [float(np.sum(squares * place) / squares.sum()) for place in np.indices(values.shape)]
    away = np.max([np.abs(place - at) for place, at in zip(np.indices(values.shape), middle, strict=True)], axis=0)
    order = np.argsort(away, axis=None, kind="stable")
    held = np.cumsum(squares.ravel()[order]) >= SHARE * squares.sum()
    return int(2 * away.ravel()[order][np.argmax(held)] + 1)


def support_band(found: Sequence[tuple[Net, Shown, Support]]) -> Band:
    """Returns, for each net and image, the box of the field over the gradient with new and with trained weights."""
    rows = [_row(*each) for each in found]
    key = Tile(bar(scale_of([np.ones(1)]), width=_SIDE, height=16), ("gradient: 0 to the end of the scale",))
    layers = ", ".join(dict.fromkeys(each.layer for _, _, each in found))
    heads = ("image and receptive field", "before training: new weights", "after training")
    return Band([*rows, [key]], head=f"what the middle cell of {layers} sees", columns=heads, side=_SIDE)


def _row(net: Net, image: Shown, found: Support) -> list[Tile]:
    pixels = magnified(image.pixels, _SIDE)
    factor = len(pixels) // len(image.pixels)
    size = "x".join(f"{side:g}" for side in found.size) if found.size else "the whole image"
    tiles = [Tile(_boxed(pixels, found.box, factor), (f"{image.name}, {net.name}", f"field: {size}"))]
    for values in (found.fresh, found.trained):
        scale = scale_of([values], share=1)
        over = laid_over(image.pixels, colored(values, scale))
        side = side_of(values, found.box)
        tiles.append(Tile(_boxed(magnified(over, _SIDE), found.box, factor), (str(scale), f"95% in {side}x{side}")))
    return tiles


def _boxed(pixels: np.ndarray, box: tuple[float, float, float, float], factor: int) -> np.ndarray:
    """Returns a magnified image with a box around pixels of the original; sides beyond the image are not drawn."""
    found = np.array(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))
    inside, lines = np.ones(found.shape[:2], bool), np.zeros(found.shape[:2], bool)
    for axis in (0, 1):
        place = np.indices(found.shape[:2])[axis]
        low, high = factor * box[axis], factor * (box[axis + 2] + 1)
        inside &= (place >= low) & (place < high)
        lines |= (np.floor((place - low) / _LINE) == 0) | (np.floor((high - 1 - place) / _LINE) == 0)
    found[inside & lines] = _BOX
    return found

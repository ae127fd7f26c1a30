"""The images of a split that excite single units most, cropped to what the units see of them.

As Zeiler and Fergus, arXiv:1311.2901, figure 2, beside projections back to the image. These are guided: without
poolings a deconvolution has no switches, and is the same for every image (Springenberg et al., arXiv:1412.6806). Images
of the data set are shown, and none are optimised: such are of no thing that the net has seen.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.data.read.dataset import Dataset
from jaxcnn.errors import UserError
from jaxcnn.evaluation.classes import outputs_of
from jaxcnn.evaluation.data import few
from jaxcnn.evaluation.forward import batches_of
from jaxcnn.pictures import rectifiers
from jaxcnn.pictures.colors import grey
from jaxcnn.pictures.nets import Net
from jaxcnn.pictures.places import Places, places_of
from jaxcnn.pictures.shown import seen
from jaxcnn.pictures.tiles import Band, Tile, grid

MOST = 2048
"""Most images of a split that are looked at."""
BATCH = 32
TOP, _COLUMNS = 9, 3
"""Images of a unit that are shown, and how many beside each other."""
UNITS = 6
"""Units that are shown."""
_PER_ROW = 3
"""Units beside each other."""
_OUTSIDE = 128
"""Grey beyond the image."""
_SIDE = 232
"""Pixels of a side of the images of one unit."""


class Unit(NamedTuple):
    """A channel of a layer, and what excites it."""

    channel: int
    values: np.ndarray
    """(images,) float32, its largest value in each of the most exciting images, the largest first."""
    places: np.ndarray
    """(images, 3) int64: which example of the split it is, and the row and column of the layer's map."""
    labels: tuple[str, ...]
    """Of these images."""

    def as_dict(self) -> dict[str, Any]:
        """Returns it for JSON."""
        places = [{"index": int(index), "cell": [int(row), int(column)]} for index, row, column in self.places]
        images = [
            {**place, "value": float(value), "label": label}
            for place, value, label in zip(places, self.values, self.labels, strict=True)
        ]
        return {"channel": self.channel, "images": images}


def find_units(net: Net, dataset: Dataset, split: str, layer: str, channels: Sequence[int] | None = None) -> list[Unit]:
    """Returns units with the images that excite them most.

    Args:
        net: trained.
        dataset: of the images.
        split: of the data set; of a large one, 2,048 images are looked at, evenly spread.
        layer: name of a layer with a map.
        channels: which; None: six, whose largest values stand out most from their values for other images.

    Raises:
        UserError: for a split, layer or channel that is not there.
    """
    if split not in dataset.sources:
        raise UserError(f"{dataset.name} has no split {split}: there are {', '.join(dataset.sources)}")
    source = dataset.sources[split]
    chosen = few(source, MOST)
    count = net.program.layers[layer][2]
    beyond = [channel for channel in channels or () if not 0 <= channel < count]
    if beyond:
        raise UserError(f"there is no unit {beyond[0]} in {layer}: it has 0 to {count - 1}")
    program = jax.jit(lambda variables, image: _peaks(net, variables, image, layer))
    values, cells = [], []
    for batch in batches_of(chosen, net.subject.square, min(BATCH, len(chosen.labels)), what="images"):
        peak, cell = jax.device_get(program(net.variables, batch["image"]))
        values.append(np.where(batch["mask"][:, None] > 0, peak, -np.inf))
        cells.append(cell)
    value, cell = np.concatenate(values)[: len(chosen.labels)], np.concatenate(cells)[: len(chosen.labels)]
    numbers = np.linspace(0, len(source.labels) - 1, len(chosen.labels)).astype(np.int64)  # as `few` chooses them
    names = [net.subject.class_names[output] for output in outputs_of(net.subject, dataset)[chosen.labels]]
    found = []
    wanted = list(channels or outstanding(value))
    if not wanted:
        raise UserError(f"no unit of {layer} of {net.name} tells one image of {split} from another")
    for channel in wanted:
        best = np.argsort(-value[:, channel], kind="stable")[: min(TOP, int(np.isfinite(value[:, channel]).sum()))]
        row, column = np.divmod(cell[best, channel], net.program.layers[layer][1])
        places = np.stack([numbers[best], row, column], axis=-1)
        found.append(Unit(int(channel), value[best, channel], places, tuple(names[each] for each in best)))
    return found


def _peaks(net: Net, variables: object, image: object, layer: str) -> tuple[jax.Array, jax.Array]:
    """Returns the largest value of each channel, and its cell, both (batch, channels)."""
    output = net.program.output(variables, net.subject.whitened(image), layer)  # type: ignore[arg-type]
    flat = output.reshape(len(output), -1, output.shape[-1]).astype(jnp.float32)
    return flat.max(axis=1), flat.argmax(axis=1)


def outstanding(value: np.ndarray) -> list[int]:
    """Returns channels by how far the mean of their largest values is above the mean of all, in deviations."""
    known = np.where(np.isfinite(value), value, np.nan)
    largest = np.sort(value, axis=0)[-TOP:].mean(axis=0)
    deviation = np.nanstd(known, axis=0)
    far = np.where(deviation > 0, (largest - np.nanmean(known, axis=0)) / np.maximum(deviation, 1e-30), -np.inf)
    return [int(channel) for channel in np.argsort(-far, kind="stable")[:UNITS] if np.isfinite(far[channel])]


def unit_band(net: Net, dataset: Dataset, split: str, layer: str, units: Sequence[Unit]) -> Band:
    """Returns the images of each unit, cropped to its receptive field, beside guided back-propagation from the unit.

    Args:
        net: trained.
        dataset: of the images.
        split: of the data set.
        layer: of the units.
        units: found by `find_units`.
    """
    rows_of, columns_of = places_of(net.program, layer)
    tiles = [tile for unit in units for tile in _tiles(net, dataset, split, layer, unit, rows_of, columns_of)]
    across = 2 * min(_PER_ROW, len(units))
    rows = [tiles[start : start + across] for start in range(0, len(tiles), across)]
    head = f"{net.name}: what excites units of {layer} most in {split}, and guided back-propagation from it, "
    head += "where grey is 0, and black or white the largest size in an image"
    return Band(rows, head=head, side=_SIDE)


def _tiles(
    net: Net, dataset: Dataset, split: str, layer: str, unit: Unit, rows: Places, columns: Places
) -> tuple[Tile, Tile]:
    pixels = np.stack([seen(net.subject, dataset.sources[split], int(place)) for place, _, _ in unit.places])
    cells = unit.places[:, 1:].astype(np.int32)
    weights = np.zeros((len(pixels), net.program.layers[layer][2]), np.float32)
    weights[:, unit.channel] = 1
    inputs = net.subject.whitened(pixels)
    projected = np.asarray(net.program.unit(net.variables, inputs, cells, weights, layer=layer, rule=rectifiers.guided))
    drawn = grey(projected, np.abs(projected).max(axis=(1, 2, 3), keepdims=True))
    patches, back = (
        np.stack([cropped(image, rows, columns, cell) for image, cell in zip(images, cells, strict=True)])
        for images in (pixels, drawn)
    )
    label, times = Counter(unit.labels).most_common(1)[0]
    values = f"{unit.values[-1]:.3g} to {unit.values[0]:.3g}"
    told = (f"unit {unit.channel}: {values}", f"{times} of {len(unit.labels)} are {label}")
    whole = patches.shape[1:] == pixels.shape[1:]
    size = "the whole image" if whole else f"field {patches.shape[1]}x{patches.shape[2]} px"
    return Tile(grid(patches, columns=_COLUMNS), told), Tile(grid(back, columns=_COLUMNS), (size,))


def cropped(image: np.ndarray, rows: Places, columns: Places, cell: np.ndarray) -> np.ndarray:
    """Returns the receptive field of a cell, cut from an image, or the whole image where the field is no smaller.

    Args:
        image: (height, width, channels) uint8. What a field sees beyond it is grey.
        rows: of the layer's map.
        columns: likewise.
        cell: its row and column.
    """
    found = image
    for axis, (side, place) in enumerate(zip((rows, columns), cell, strict=True)):
        first, last, pixels = side.first[place], side.last[place], image.shape[axis]
        if not last - first + 1 < pixels:
            continue
        index = np.arange(int(first), int(last) + 1)
        outside = (index < 0) | (index >= pixels)
        found = np.take(found, np.clip(index, 0, pixels - 1), axis=axis)
        found[(slice(None),) * axis + (outside,)] = _OUTSIDE
    return found

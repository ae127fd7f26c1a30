"""What the layers of a net hold: the filters of the first, and the maps of each stage."""

from collections.abc import Sequence

import numpy as np

from jaxcnn.errors import UserError
from jaxcnn.pictures.colors import Scale, colored, grey, scale_of
from jaxcnn.pictures.heat import caption, color_key
from jaxcnn.pictures.nets import Net, choose_class
from jaxcnn.pictures.shown import Shown
from jaxcnn.pictures.tiles import Band, Tile, grid, magnified
from jaxcnn.reporting.pictures import MOST_FILTERS, first_kernel
from jaxcnn.types import Variables

_SIDE = 272
"""Pixels of a side of a grid."""
_FILTER = 24
"""Pixels of a side of a filter, at most, before they are put together."""
_CHANNELS, _COLUMNS = 16, 4
"""Maps of a stage that are shown."""
_STAGES = 5
"""Most stages beside each other."""


def filter_band(nets: Sequence[Net]) -> Band:
    """Returns the filters of the first layer of each net, beside those of new weights.

    Raises:
        UserError: for a net whose first kernel has no grey or RGB filters.
    """
    rows = []
    for net in nets:
        drawn = [_filters(net, variables) for variables in (net.variables, net.control)]
        path = drawn[0][1]
        rows.append([Tile(drawn[0][0], (net.name, f"{path}, {drawn[0][2]}")), Tile(drawn[1][0], ("", drawn[1][2]))])
    return Band(rows, columns=("first-layer filters", "new weights"), side=_SIDE)


def _filters(net: Net, variables: Variables) -> tuple[np.ndarray, str, str]:
    """Returns filters as a picture with 0 as the middle grey, the path of their layer, and what is black and white."""
    path, kernel = first_kernel(net.subject.model, variables, net.program.image_shape)
    shown = np.moveaxis(kernel[..., :MOST_FILTERS], -1, 0)
    top = float(np.abs(shown).max()) or 1.0
    pixels = np.stack([magnified(each, _FILTER) for each in grey(shown, top)])
    return grid(pixels, columns=round(len(pixels) ** 0.5), gap=2), "/".join(path), f"±{top:.3g}, grey is 0"


def feature_bands(nets: Sequence[Net], images: Sequence[Sequence[Shown]], layer: str | None) -> list[Band]:
    """Returns the maps of some channels of each stage, for each image and net, and below them what the colours are.

    The channels are those with the largest mean size in a map of the first net; all nets share the scale of a stage.

    Args:
        nets: trained.
        images: of each net, the same ones as it sees them.
        layer: alone; None: all stages.

    Raises:
        UserError: for a net without a map, or a layer that is not there.
    """
    names = _stages(nets[0]) if layer is None else [nets[0].program.layer(layer)]
    rows, kinds = [], set[bool]()
    for number in range(len(images[0])):
        maps = [_maps(net, own[number], names) for net, own in zip(nets, images, strict=True)]
        stages = [_shown([each[place] for each in maps]) for place in range(len(names))]
        kinds.update(scale.signed for _, scale in stages)
        pictures = [_grids(chosen, scale, maps[0][place].shape) for place, (chosen, scale) in enumerate(stages)]
        for which, (net, own) in enumerate(zip(nets, images, strict=True)):
            image = own[number]
            inputs = np.asarray(net.subject.whitened(image.pixels[None]))
            logits = np.asarray(net.program.logits(net.variables, inputs))[0]
            chosen = choose_class(net, logits, None, image.label, image.name)
            first = Tile(image.pixels, caption(image, chosen, net, several=len(nets) > 1))
            rows.append([first, *(stage[which] for stage in pictures)])
    key = [color_key(signed=signed) for signed in sorted(kinds)]
    return [Band(rows, columns=("image", *names), side=_SIDE), Band([key], side=_SIDE)]


def _stages(net: Net) -> list[str]:
    """Returns the stages that have a map, of a net without stages the modules: a few, evenly spread."""
    program = net.program
    maps = [name for name, shape in program.layers.items() if len(shape) == 3]
    maps = [name for name in maps if name in program.stages] or maps
    if not maps:
        raise UserError(f"no layer of {net.name} has a map: there are no features to draw")
    places = np.linspace(0, len(maps) - 1, min(_STAGES, len(maps))).round().astype(int)
    return [maps[place] for place in places]


def _maps(net: Net, image: Shown, names: Sequence[str]) -> list[np.ndarray]:
    inputs = np.asarray(net.subject.whitened(image.pixels[None]))
    for name in names:
        net.program.layer(name)
    found = net.program.outputs(net.variables, inputs, layers=tuple(names))
    return [np.asarray(each, np.float64)[0] for each in found]


def _shown(maps: Sequence[np.ndarray]) -> tuple[list[np.ndarray], Scale]:
    """Returns the maps (channels, rows, columns) that are drawn of one stage of each net, and their one scale.

    Args:
        maps: (rows, columns, channels), of each net.
    """
    most = np.argsort(-np.abs(maps[0]).mean(axis=(0, 1)), kind="stable")[:_CHANNELS]
    chosen = [np.moveaxis(each[..., most[most < each.shape[-1]]], -1, 0) for each in maps]
    return chosen, scale_of(chosen, signed=any((each < 0).mean() > 0.01 for each in chosen))


def _grids(chosen: Sequence[np.ndarray], scale: Scale, shape: Sequence[int]) -> list[Tile]:
    """Returns a picture of the maps of each net; `shape` is that of the stage."""
    size = "x".join(map(str, shape))
    return [Tile(grid(colored(each, scale), columns=_COLUMNS), (size, str(scale))) for each in chosen]

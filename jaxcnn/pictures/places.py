"""Where in the image the cells of a layer's map are."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import numpy as np

from jaxcnn.analysis.reach import Reach
from jaxcnn.analysis.walk import field_of
from jaxcnn.pictures.program import Program

_WHOLE = ("Norm", "SqueezeExcite")
"""Ends of the names of classes that may look at the whole map, and move no cell of it."""
_WITH_LAYER = "ConvNorm"
"""End of the names of those that are more than a norm."""


class Places(NamedTuple):
    """The rows of a map, or its columns, in rows or columns of the image."""

    first: np.ndarray
    """(cells,) float64, where the receptive field of a cell begins, also in the padding; minus infinity if it is the
    whole image."""
    last: np.ndarray
    """(cells,) float64, where it ends, itself included."""
    centre: np.ndarray
    """(cells,) float64, the middle of what a cell sees, if norms and gates over the whole map are passed over."""


def places_of(program: Program, layer: str) -> tuple[Places, Places]:
    """Returns the places of the rows and of the columns of a layer's map; nothing is computed.

    The middle follows from the receptive field of each cell, with the padding of all layers. Only where that is not
    known, or is the whole image, cells are spread evenly over the image.
    """
    fields = functools.partial(field_of, functools.partial(program.output, layer=layer), program.shapes)
    whole = local = fields(program.image_shape)
    if not _is_local(whole):
        with nn.intercept_methods(pass_by):
            local = fields(program.image_shape)
    return _places(program, layer, whole, local, 0), _places(program, layer, whole, local, 1)


def spread(values: np.ndarray, rows: Places, columns: Places, image_shape: tuple[int, ...]) -> np.ndarray:
    """Returns a map at the size of the image, (batch, height, width): bilinear between the middles of cells.

    Args:
        values: (batch, rows, columns).
        rows: of the map.
        columns: of the map.
        image_shape: (height, width, ...).
    """
    down, across = _weights(rows.centre, image_shape[0]), _weights(columns.centre, image_shape[1])
    return np.einsum("hr,brc,wc->bhw", down, values, across)


def _weights(centre: np.ndarray, pixels: int) -> np.ndarray:
    """Returns, (pixels, cells), how much of each cell is in each pixel; beyond the outer middles it is that of one."""
    cells = np.eye(len(centre))
    return np.stack([np.interp(np.arange(pixels), centre, cell) for cell in cells], axis=-1)


def _is_local(reach: Reach) -> bool:
    return isinstance(reach, tuple) and all(np.isfinite(side.first).all() for side in reach)


def _places(program: Program, layer: str, whole: Reach, local: Reach, axis: int) -> Places:
    cells, pixels = program.layers[layer][axis], program.image_shape[axis]
    first, last = _ends(whole, axis, cells)
    near, far = _ends(local, axis, cells)
    centre = (near + far) / 2 if np.isfinite(near).all() else (np.arange(cells) + 0.5) * pixels / cells - 0.5
    return Places(first, last, centre)


def _ends(reach: Reach, axis: int, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns where the fields of cells begin and end, over all channels."""
    if not isinstance(reach, tuple):
        return np.full(cells, -np.inf), np.full(cells, np.inf)
    side, others = reach[axis], tuple(other for other in range(4) if other != axis + 1)
    ends = side.first.min(others), side.last.max(others)
    return np.broadcast_to(ends[0], cells).copy(), np.broadcast_to(ends[1], cells).copy()


def pass_by(call: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
    """Leaves out what may look at a whole map; for `nn.intercept_methods`."""
    name = type(context.module).__name__
    if context.method_name == "__call__" and name.endswith(_WHOLE) and not name.endswith(_WITH_LAYER):
        return args[0]
    return call(*args, **kwargs)

"""A layer, as a walk finds it."""

import math
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from jax.extend.core import JaxprEqn

from jaxcnn.analysis.calls import padding_text
from jaxcnn.analysis.field import Side
from jaxcnn.analysis.reach import Reach, shape_of
from jaxcnn.analysis.rules import POOLS

Extent: TypeAlias = int | float | str | tuple[Any, Any] | None
"""One number for rows and columns, or (rows, columns) where they differ; "global", "unknown", or None."""


class Window(NamedTuple):
    """A window that slides over a map."""

    size: tuple[int, ...]
    strides: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int
    """Of channels; 0 of a pooling, which has no weights."""
    channels: int
    """Of the input."""
    map: tuple[int, ...]
    """Height and width of the input."""

    def __str__(self) -> str:
        """Returns it in words: "3x3/2, padding 1, 32 groups"."""
        strides, dilation = (_once(values) for values in (self.strides, self.dilation))
        parts = ["x".join(map(str, self.size)) + ("" if strides == "1" else f"/{strides}"), padding_text(self.pads)]
        parts.append("" if dilation == "1" else f"dilation {dilation}")
        depthwise = self.groups == self.channels and self.groups > 1
        parts.append("depthwise" if depthwise else f"{self.groups} groups" if self.groups > 1 else "")
        return ", ".join(filter(None, parts))


class Receptive(NamedTuple):
    """A receptive field, as it is shown."""

    size: Extent = None
    """Rows and columns of the image that a value depends on, also such as are padding; "global" behind a mean over the
    map; the largest, if values differ; None if there is no dependence."""
    stride: Extent = None
    """Rows and columns of the image between neighbours on the map; None behind a flattening."""
    offset: Extent = None
    """First row and column of the field of the map's first value, negative in padding; None where fields vary."""


class Layer(NamedTuple):
    """A layer of a net, of one image in evaluation."""

    path: str
    """As "stage1_block1/conv1"; of a function that no module computes, "stage1_block1/concatenate"."""
    kind: str
    """Class of the module, or name of the function."""
    detail: str
    """Window and padding, or groups, in words."""
    output_shape: tuple[int, ...] | None
    """Without the axis of images."""
    params: int
    multiply_adds: int
    activations: int
    """Number of values of the output; 0 if nothing was computed."""
    activation_bytes: int
    receptive: Receptive
    calls: int = 1
    """How often the layer runs; its parameters are shared by all calls, unless they are turns of a loop."""
    turns: int = 1
    """Of the loop that it is in."""
    window: Window | None = None
    training_only: bool = False
    """Whether it does not run in evaluation, as an auxiliary head."""

    @property
    def mark(self) -> str:
        """What is special about it, in a word or two; or ""."""
        if self.training_only:
            return "in training only"
        shared = self.calls // self.turns
        parts = [f"shared x{shared}" if shared > 1 else "", f"loop x{self.turns}" if self.turns > 1 else ""]
        return ", ".join(filter(None, parts))

    def as_dict(self) -> dict[str, Any]:
        """Returns the layer for JSON."""
        return {
            "path": self.path,
            "kind": self.kind,
            "detail": self.detail,
            "output_shape": self.output_shape,
            "params": self.params,
            "multiply_adds": self.multiply_adds,
            "activations": self.activations,
            "activation_bytes": self.activation_bytes,
            "receptive_field": self.receptive.size,
            "stride": self.receptive.stride,
            "offset": self.receptive.offset,
            "calls": self.calls,
            "training_only": self.training_only,
        }


def receptive(reach: Reach) -> Receptive:
    """Returns a field as it is shown."""
    if reach is None:
        return Receptive()
    if isinstance(reach, str):
        return Receptive(reach)
    return Receptive(*(_pair([part(side) for side in reach]) for part in (_size, _stride, _offset)))


def _pair(values: list[Any]) -> Extent:
    return values[0] if values[0] == values[1] else (values[0], values[1])


def _whole(number: float) -> int | float:
    return int(number) if number == int(number) else number


def _size(side: Side) -> int | float | str | None:
    longest = float((side.last - side.first).max()) + 1
    if longest == math.inf:
        return "global"
    return None if longest == -math.inf else _whole(longest)


def _stride(side: Side) -> int | float | None:
    steps = list(side.axes.values())
    return _whole(steps[0]) if len(steps) == 1 and math.isfinite(steps[0]) else None


def _offset(side: Side) -> int | float | None:
    step = _stride(side)
    if step is None or not np.isfinite(side.first).all():
        return None
    (axis,) = side.axes
    first = side.first.min(tuple(other for other in range(side.first.ndim) if other != axis))
    return _whole(float(first[0])) if np.all(np.diff(first) == step) else None


def window_of(equation: JaxprEqn) -> Window | None:
    """Returns the window of a convolution or pooling; None for any other operation."""
    given, name = equation.params, equation.primitive.name
    shape = shape_of(equation.invars[0])
    if name == "conv_general_dilated":
        image, kernel = given["dimension_numbers"].lhs_spec, given["dimension_numbers"].rhs_spec
        size = tuple(shape_of(equation.invars[1])[axis] for axis in kernel[2:])
        slide = tuple(given["window_strides"]), tuple(given["padding"]), tuple(given["rhs_dilation"])
        groups, channels = given["feature_group_count"], shape[image[1]]
        return Window(size, *slide, groups, channels, tuple(shape[axis] for axis in image[2:]))
    if name in POOLS and any(length > 1 for length in given["window_dimensions"][1:-1]):
        ones = (1,) * len(shape)
        strides, dilation = (tuple((given.get(key) or ones)[1:-1]) for key in ("window_strides", "window_dilation"))
        size, pads = tuple(given["window_dimensions"][1:-1]), tuple(given["padding"][1:-1])
        return Window(size, strides, pads, dilation, 0, shape[-1], shape[1:-1])
    return None


def _once(values: tuple[int, ...]) -> str:
    """Returns one number if all are equal, else all of them."""
    return str(values[0]) if len(set(values)) == 1 else "x".join(map(str, values))

"""One convolution worked out by hand, with its windows drawn."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxcnn.errors import UserError
from jaxcnn.inside.arithmetic import output_size, size_line
from jaxcnn.ops.window import pair, reach
from jaxcnn.ranges import at_least, check_whole

_LARGEST = 12
"""Cells of a side that still fit on a line."""


class _Axis(NamedTuple):
    """How the kernel slides down or across."""

    size: int
    """Cells of the image."""
    kernel: int
    stride: int
    padding: int
    dilation: int

    @property
    def span(self) -> int:
        """Cells that the kernel spans."""
        return reach(self.kernel, self.dilation)

    @property
    def windows(self) -> int:
        """Number of windows."""
        return output_size(self.size, self.kernel, self.stride, (self.padding, self.padding), self.dilation)

    def line(self) -> str:
        """Returns the arithmetic of that number."""
        return size_line(self.size, self.kernel, self.stride, (self.padding, self.padding), self.dilation)

    def cells(self, number: int) -> slice:
        """Returns the cells of a window of the padded image, by its number."""
        first = number * self.stride
        return slice(first, first + self.span, self.dilation)


def worked_convolution(
    height: int,
    width: int,
    *,
    kernel: int | Sequence[int] = 3,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    seed: int = 0,
) -> str:
    """Returns a convolution of an image of small whole numbers, step by step: each window of the first row is drawn.

    As in neural networks, the kernel is not turned around: the result is the sum of products of cells at equal places.

    Args:
        height: of the image, in cells.
        width: likewise.
        kernel: cells of a side, or (height, width).
        stride: cells between windows, or (down, right).
        padding: cells of zeros on every side, or (above and below, left and right).
        dilation: distance of neighbouring cells of the kernel, or (down, right).
        seed: of the numbers.

    Raises:
        UserError: for an image that is larger than can be drawn, or smaller than the kernel.
    """
    sides = [pair(each) for each in (kernel, stride, padding, dilation)]
    down, across = (_Axis(size, *each) for size, *each in zip((height, width), *sides, strict=True))
    _check(down, across)
    numbers = np.random.default_rng(seed)
    weights = numbers.integers(-1, 2, (down.kernel, across.kernel))
    pads = [(axis.padding, axis.padding) for axis in (down, across)]
    padded = np.pad(numbers.integers(0, 10, (height, width)), pads)
    result = np.zeros((down.windows, across.windows), int)
    steps = []
    for row, column in np.ndindex(*result.shape):
        window = down.cells(row), across.cells(column)
        result[row, column] = (padded[window] * weights).sum()
        if row == 0:
            steps.append(f"row {row + 1}, column {column + 1}:\n{_step(padded, weights, window)}")
    return "\n".join(
        (
            _head(down, across),
            "",
            f"height: {down.line()}",
            f"width:  {across.line()}",
            "",
            *("kernel:", *_drawn(weights), ""),
            *steps,
            *("all windows:", *_drawn(result)),
        )
    )


def _head(down: _Axis, across: _Axis) -> str:
    stride, padding, dilation = (
        str(first) if first == second else f"{first}x{second}"
        for first, second in zip(down[2:], across[2:], strict=True)
    )
    around = f", dilation {dilation}" if dilation != "1" else ""
    kernel, image = f"{down.kernel}x{across.kernel}", f"{down.size}x{across.size}"
    return f"A {kernel} kernel, stride {stride}, padding {padding}{around}, on an image of {image}"


def _check(down: _Axis, across: _Axis) -> None:
    for axis, side in ((down, "height"), (across, "width")):
        for name, number in axis._asdict().items():
            check_whole(side if name == "size" else name, number, at_least(0 if name == "padding" else 1))
    padding = " and ".join(dict.fromkeys(f"{axis.padding}" for axis in (down, across)))
    image = f"{down.size}x{across.size} with padding {padding}"
    if max(axis.size + 2 * axis.padding for axis in (down, across)) > _LARGEST:
        raise UserError(f"an image of {image} is drawn up to {_LARGEST} cells a side")
    if any(axis.span > axis.size + 2 * axis.padding for axis in (down, across)):
        raise UserError(f"a kernel that spans {down.span}x{across.span} cells does not fit into {image}")


def _step(padded: np.ndarray, weights: np.ndarray, window: tuple[slice, slice]) -> str:
    """Returns a window, drawn in the padded image, and its sum.

    Args:
        padded: the image.
        weights: the kernel.
        window: the rows and columns of its cells.
    """
    marked = np.zeros(padded.shape, bool)
    marked[window] = True
    cells = padded[window]
    products = [
        f"{cell}*{_signed(weight)}" for cell, weight in zip(cells.ravel(), weights.ravel(), strict=True) if weight
    ]
    total = " + ".join(products) or "0"
    return "\n".join((*_drawn(padded, marked), f"{total} = {(cells * weights).sum()}", ""))


def _signed(weight: int) -> str:
    return f"({weight})" if weight < 0 else str(weight)


def _drawn(values: np.ndarray, marked: np.ndarray | None = None) -> list[str]:
    """Returns a line for each row; marked values stand in brackets."""
    width = max(len(str(value)) for value in values.ravel())
    shown = np.zeros(values.shape, bool) if marked is None else marked
    rows = zip(values, shown, strict=True)
    return [" ".join(_cell(value, width, mark) for value, mark in zip(*row, strict=True)).rstrip() for row in rows]


def _cell(value: int, width: int, mark: bool) -> str:
    return f"[{value:>{width}}]" if mark else f" {value:>{width}} "

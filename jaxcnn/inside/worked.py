"""One convolution worked out by hand, with its windows drawn."""

import numpy as np

from jaxcnn.errors import UserError
from jaxcnn.inside.arithmetic import output_size, size_line
from jaxcnn.ranges import at_least, check_whole

_LARGEST = 12
"""Cells of a side that still fit on a line."""


def worked_convolution(
    height: int, width: int, *, kernel: int = 3, stride: int = 1, padding: int = 0, dilation: int = 1, seed: int = 0
) -> str:
    """Returns a convolution of an image of small whole numbers, step by step: each window of the first row is drawn.

    As in neural networks, the kernel is not turned around: the result is the sum of products of cells at equal places.

    Args:
        height: of the image, in cells.
        width: likewise.
        kernel: cells of a side.
        stride: cells between windows.
        padding: cells of zeros on every side.
        dilation: distance of neighbouring cells of the kernel.
        seed: of the numbers.

    Raises:
        UserError: for an image that is larger than can be drawn, or smaller than the kernel.
    """
    span = _checked(height, width, kernel, stride, padding, dilation)
    numbers = np.random.default_rng(seed)
    weights = numbers.integers(-1, 2, (kernel, kernel))
    padded = np.pad(numbers.integers(0, 10, (height, width)), padding)
    pads = padding, padding
    sides = [output_size(size, kernel, stride, pads, dilation) for size in (height, width)]
    result = np.zeros(sides, int)
    steps = []
    for row, column in np.ndindex(*sides):
        top, left = row * stride, column * stride
        cells = padded[top : top + span : dilation, left : left + span : dilation]
        result[row, column] = (cells * weights).sum()
        if row == 0:
            steps.append(_step(padded, weights, cells, (top, left), dilation, (row, column)))
    around = f", dilation {dilation}" if dilation > 1 else ""
    return "\n".join(
        (
            f"A {kernel}x{kernel} kernel, stride {stride}, padding {padding}{around}, on an image of {height}x{width}",
            "",
            f"height: {size_line(height, kernel, stride, pads, dilation)}",
            f"width:  {size_line(width, kernel, stride, pads, dilation)}",
            "",
            *("kernel:", *_drawn(weights), ""),
            *steps,
            *("all windows:", *_drawn(result)),
        )
    )


def _checked(height: int, width: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Returns the cells that the kernel spans; errors and arguments as of `worked_convolution`."""
    sizes = {"height": height, "width": width, "kernel": kernel, "stride": stride, "dilation": dilation}
    for name, number in sizes.items():
        check_whole(name, number, at_least(1))
    check_whole("padding", padding, at_least(0))
    if max(height, width) + 2 * padding > _LARGEST:
        raise UserError(f"an image of {height}x{width} with padding {padding} is drawn up to {_LARGEST} cells a side")
    span = dilation * (kernel - 1) + 1
    if span > min(height, width) + 2 * padding:
        raise UserError(f"a kernel that spans {span} cells does not fit into {height}x{width} with padding {padding}")
    return span


def _step(
    padded: np.ndarray,
    weights: np.ndarray,
    cells: np.ndarray,
    corner: tuple[int, int],
    dilation: int,
    place: tuple[int, int],
) -> str:
    """Returns a window, drawn in the padded image, and its sum.

    Args:
        padded: the image.
        weights: the kernel.
        cells: those of the window.
        corner: the first row and column of the window.
        dilation: distance of its cells.
        place: row and column of the result, from 0.
    """
    marked = np.zeros(padded.shape, bool)
    top, left = corner
    reach = dilation * len(weights)
    marked[top : top + reach : dilation, left : left + reach : dilation] = True
    products = [
        f"{cell}*{_signed(weight)}" for cell, weight in zip(cells.ravel(), weights.ravel(), strict=True) if weight
    ]
    total = " + ".join(products) or "0"
    text = f"row {place[0] + 1}, column {place[1] + 1}:"
    return "\n".join((text, *_drawn(padded, marked), f"{total} = {(cells * weights).sum()}", ""))


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

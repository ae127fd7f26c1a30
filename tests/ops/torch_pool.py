"""PyTorch's pooling, window by window, in numpy; one channel of one image."""

import numpy as np


def windows(size, kernel, stride, padding, ceil):
    """Returns the (first cell, last cell + 1) of each window along an axis, in cells of the image; [] where refused.

    The rule of torch.nn.MaxPool2d and AvgPool2d: with `ceil` a last window may reach over the padding behind the image
    by less than a stride, if it begins in the image or in the padding before it.
    """
    reach = size + 2 * padding + (stride - 1 if ceil else 0)
    starts = [start for start in range(0, reach - kernel + 1, stride) if not ceil or start < size + padding]
    return [(start - padding, start - padding + kernel) for start in starts]


def _all_windows(shape, kernel, strides, padding, ceil):
    rows, columns = (windows(*axis, ceil) for axis in zip(shape, kernel, strides, padding, strict=True))
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            yield (i, j), row, column


def _inside(shape, row, column):
    return np.s_[max(row[0], 0) : min(row[1], shape[0]), max(column[0], 0) : min(column[1], shape[1])]


def max_pool(x, g, kernel, strides, padding, ceil):
    """Returns the maxima of x (height, width), and the gradient for x of sum(g * maxima): to the first of equals."""
    y, dx = np.zeros_like(g), np.zeros_like(x)
    for at, row, column in _all_windows(x.shape, kernel, strides, padding, ceil):
        cells = _inside(x.shape, row, column)
        first = np.unravel_index(np.argmax(x[cells]), x[cells].shape)
        y[at] = x[cells][first]
        dx[cells][first] += g[at]
    return y, dx


def avg_pool(x, g, kernel, strides, padding, ceil, count_padding):
    """Returns the means of x (height, width), and the gradient for x of sum(g * means)."""
    y, dx = np.zeros_like(g), np.zeros_like(x)
    for at, row, column in _all_windows(x.shape, kernel, strides, padding, ceil):
        cells = _inside(x.shape, row, column)
        ends = [min(axis[1], size + pad) for axis, size, pad in zip((row, column), x.shape, padding, strict=True)]
        count = (ends[0] - row[0]) * (ends[1] - column[0]) if count_padding else x[cells].size
        y[at] = x[cells].sum() / count
        dx[cells] += g[at] / count
    return y, dx

"""Pooling layers: (batch, height, width, channels) -> (batch, out_height, out_width, channels), without parameters."""

import functools
from collections.abc import Sequence

from flax import linen as nn

from jaxcnn.ops.pool import Windows, avg_pool, largest, windows_of
from jaxcnn.ops.window import Padding
from jaxcnn.types import Array, ModuleDef


class MaxPool(nn.Module):
    """The largest value in each window; fields and errors as of `jaxcnn.ops.pool.max_pool`."""

    window: int | Sequence[int]
    strides: int | Sequence[int] | None = None
    padding: Padding = "valid"
    ceil: bool = False

    def __call__(self, x: Array) -> Array:
        """Returns the maxima of x, of its dtype."""
        return self.largest(x, windows_of("max pooling", x, self.window, self.strides, self.padding, self.ceil))

    def largest(self, x: Array, windows: Windows) -> Array:
        """Returns the largest value in each window of x."""
        return largest(x, windows)


class AvgPool(nn.Module):
    """The mean of each window; fields and errors as of `jaxcnn.ops.pool.avg_pool`."""

    window: int | Sequence[int]
    strides: int | Sequence[int] | None = None
    padding: Padding = "valid"
    count_padding: bool = True

    def __call__(self, x: Array) -> Array:
        """Returns the means of x, of its dtype."""
        strides, padding, count = self.strides, self.padding, self.count_padding
        return avg_pool(x, self.window, strides=strides, padding=padding, count_padding=count)


ceil_pool: ModuleDef = functools.partial(MaxPool, window=3, strides=2, ceil=True)
"""Constructor of max pooling whose last window may reach over the border; by default 3x3 with stride 2."""

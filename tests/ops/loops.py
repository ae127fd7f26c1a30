"""The definitions of convolution and pooling, as loops over NumPy arrays."""

import numpy as np


def convolve(x, kernel, *, strides=(1, 1), pads=((0, 0), (0, 0)), mode="constant", dilation=(1, 1), groups=1):
    x = np.pad(x, ((0, 0), *pads, (0, 0)), mode=mode)
    batch, height, width, channels = x.shape
    rows, columns, depth, features = kernel.shape
    out_height = (height - dilation[0] * (rows - 1) - 1) // strides[0] + 1
    out_width = (width - dilation[1] * (columns - 1) - 1) // strides[1] + 1
    y = np.zeros((batch, out_height, out_width, features), x.dtype)
    for i, j, f in np.ndindex(out_height, out_width, features):
        first = f // (features // groups) * (channels // groups)
        for a, b in np.ndindex(rows, columns):
            cell = x[:, i * strides[0] + a * dilation[0], j * strides[1] + b * dilation[1], first : first + depth]
            y[:, i, j, f] += cell @ kernel[a, b, :, f]
    return y

"""A hash of numbers. It is plain arithmetic for NumPy and JAX arrays, and imports no JAX."""

from typing import Any

import numpy as np


def scramble(value: Any) -> Any:
    """Returns MurmurHash3's finaliser of uint32 numbers, in which every input bit changes every output bit."""
    value = (value ^ (value >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    value = (value ^ (value >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return value ^ (value >> np.uint32(16))

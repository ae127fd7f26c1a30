"""A hash of numbers: plain arithmetic, alike on NumPy's and on JAX's arrays, without importing JAX."""

from typing import Any

import numpy as np


def scramble(value: Any) -> Any:
    """MurmurHash3's finaliser: every bit of a uint32 reaches every other."""
    value = (value ^ (value >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    value = (value ^ (value >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return value ^ (value >> np.uint32(16))

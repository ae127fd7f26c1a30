"""Python pickles of dicts with arrays of bytes, read without running anything that they name.

The objects that a NumPy array is pickled as are built as inert records, and the array is made from their bytes here.
Any other name in the file is refused before it is looked up.
"""

import io
import pickle
from typing import Any

import numpy as np


class _Inert:
    """Stands for an object of the file: what it was called with and its state."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Unpickler(pickle.Unpickler):
    known = frozenset(("_reconstruct", "ndarray", "dtype"))

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] == "numpy" and name in self.known:
            return _Inert
        raise pickle.UnpicklingError(f"it names {module}.{name}")


def read_pickle(content: bytes) -> dict[bytes, Any]:
    """Returns the dict in a pickle, its arrays of bytes as (rows, columns) uint8 and its other values as they are.

    Raises:
        ValueError: for anything but a dict of plain values and arrays of bytes; says what.
    """
    try:
        found = _Unpickler(io.BytesIO(content), encoding="bytes").load()
    except Exception as error:  # a damaged file raises nearly anything
        raise ValueError(str(error) or type(error).__name__) from None
    if not isinstance(found, dict):
        raise ValueError(f"it holds a {type(found).__name__}")
    return {key: _array(value) if isinstance(value, _Inert) else value for key, value in found.items()}


def _array(inert: _Inert) -> np.ndarray:
    try:
        _, shape, dtype, fortran_order, content = inert.state
        if dtype.arguments[0] not in (b"u1", "u1"):
            raise ValueError("an array in it is not of bytes")
        return np.frombuffer(content, np.uint8).reshape(shape, order="F" if fortran_order else "C")
    except (AttributeError, IndexError, TypeError) as error:
        raise ValueError(f"an array in it is damaged ({error})") from None

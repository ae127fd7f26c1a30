"""Reads Python pickles of dicts with arrays of bytes, without running any code that the file names.

NumPy's names in the file stand for inert records, and arrays are made here from the records' bytes. Any other name is
refused before it is imported.
"""

import io
import pickle
from typing import Any

import numpy as np


class _Inert:
    """Record of an object in the file: the arguments of its constructor, and its state."""

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
    """Returns the dict in a pickle. Arrays of bytes become uint8 arrays; other values stay as they are.

    Raises:
        ValueError: says in what `content` is not a pickled dict of plain values and arrays of bytes.
    """
    try:
        found = _Unpickler(io.BytesIO(content), encoding="bytes").load()
    except Exception as error:  # a damaged file can raise nearly any exception
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

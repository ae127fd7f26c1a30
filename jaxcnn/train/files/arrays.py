"""Files of named arrays, in NumPy's npz format, which has a checksum of each."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.errors import UserError, writing


def save_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Writes a file that is complete or absent.

    Raises:
        UserError: if it cannot be written.
    """
    partial = path.with_name(f".{path.name}-{os.getpid()}.partial")  # a mirror passes over it
    try:
        with writing(path):
            with partial.open("wb") as stream:
                np.savez(stream, **arrays)
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Returns what `save_arrays` wrote.

    Raises:
        UserError: for a file that is missing, damaged or another.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise UserError(f"there is no {path}") from None
    except Exception:  # zipfile, zlib and numpy raise many kinds for damaged files, and may advise to execute them
        raise UserError(f"{path} cannot be read: it is damaged, or another file") from None

"""Checksums of the arrays of a state: they notice whatever a layer below has changed, and orbax reads as it is."""

import hashlib
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from jaxcnn.layers.variables import by_path


def checksums(state: Any) -> dict[str, str]:
    """Returns 16 hexadecimal digits (SHA-256) for every array of a tree, by its path."""
    return {path: _digest(np.asarray(leaf)) for path, leaf in by_path(jax.device_get(state)).items()}


def changed(saved: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Returns the paths whose checksums differ, sorted."""
    return sorted(path for path in saved.keys() | found.keys() if saved.get(path) != found.get(path))


def _digest(array: np.ndarray) -> str:
    digest = hashlib.sha256(f"{array.dtype} {array.shape}".encode())
    digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()[:16]

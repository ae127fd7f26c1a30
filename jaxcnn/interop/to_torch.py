"""Turns variables of our nets into state dicts of their reference implementations: `jaxcnn.interop.torch` backwards."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from flax import traverse_util

from jaxcnn.errors import UserError
from jaxcnn.interop.loops import unstacked
from jaxcnn.interop.names import Names, reference_names
from jaxcnn.interop.reference import Path, Reference, make_reference
from jaxcnn.types import Variables

COUNTER = "num_batches_tracked"
"""A batch norm's counter in PyTorch, () int64. It only matters for a norm without momentum."""


class StateDict(NamedTuple):
    """A state dict, and which net of PyTorch it is for."""

    entries: dict[str, np.ndarray]
    """float32, and int64 for counters; in the reference's order."""
    reference: str
    """Whose net has these names, and what it is called there: "torchvision: resnet18"."""
    remarks: tuple[str, ...]
    """One sentence for each way in which that net must be made another."""


def to_torch(model_name: str, variables: Variables, fields: Mapping[str, Any], *, batches: int = 0) -> StateDict:
    """Returns the state dict of a net in its reference implementation; `variables_from_torch` gives the net again.

    Args:
        model_name: of `list_models()`.
        variables: of the net, `params` and `batch_stats`; stacked where it runs blocks in a loop.
        fields: of `create_model`.
        batches: that its norms have seen in training.

    Raises:
        UserError: if no reference implementation is known that has these variables.
    """
    reference, names = make_reference(model_name, fields), reference_names(model_name, fields)
    arrays = unstacked(traverse_util.flatten_dict(variables), names.names)
    entries: dict[str, np.ndarray] = {}
    for path, name in names.names.items():
        value = np.asarray(arrays[path], np.float32)
        entries[name] = np.ascontiguousarray(_theirs(reference, path, name, value, names.axes[path]))
        if path[-1] == "var":
            entries[f"{name.rpartition('.')[0]}.{COUNTER}"] = np.array(batches, np.int64)
    return StateDict(entries, names.listed.reference, tuple(_remarks(names, entries)))


def _theirs(reference: Reference, path: Path, name: str, value: np.ndarray, axes: int) -> np.ndarray:
    """Returns an array in the reference's layout, with so many axes; the inverse of what `Reference.fit` does."""
    if path[-1] != "kernel":
        return value
    if value.ndim == 4:
        return value.transpose(3, 2, 0, 1)
    flattened = reference.table("FLATTENED").get("/".join(path[1:-1]))
    if flattened:
        channels, height, width = flattened
        if len(value) not in (math.prod(flattened), channels):
            raise UserError(
                f"{name} takes a map of {height}x{width} cells in PyTorch, and this net, for other images, "
                f"{len(value) // channels} cells"
            )
        if len(value) == math.prod(flattened):
            value = value.reshape(height, width, channels, -1).transpose(2, 0, 1, 3).reshape(value.shape)
    return value.T if axes == 2 else value.T[:, :, None, None]


def _remarks(names: Names, entries: Mapping[str, np.ndarray]) -> list[str]:
    whose = names.listed.reference
    remarks = [f"{whose} computes the same if it is made with what is {each} here" for each in names.differences]
    other = [
        f"{name} is {entries[name].shape}, {tuple(names.listed.shapes[name])} in {whose}"
        for path, name in names.names.items()
        if path[-2] != "classifier" and entries[name].shape != tuple(names.listed.shapes.get(name, entries[name].shape))
    ]
    return remarks + other[:1]

"""The fields of a net, or of another dataclass, ready for JSON."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxcnn.parts import part_name


def fields_of(module: Any) -> dict[str, Any]:
    """Returns the fields of a net or another dataclass, ready for JSON."""
    fields = dataclasses.fields(module)
    return {field.name: plain(getattr(module, field.name)) for field in fields if field.name not in ("parent", "name")}


def plain(value: Any) -> Any:
    """Returns a value that JSON can represent; for a function or class its name, for an array-like value its dtype."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return fields_of(value)
    if hasattr(value, "func"):  # functools.partial
        return plain(value.func)
    try:
        return getattr(value, "__name__", None) or str(np.dtype(value))
    except TypeError:
        return part_name(value)

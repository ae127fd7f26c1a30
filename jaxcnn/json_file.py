"""Objects in JSON files."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxcnn.errors import UserError, writing


def read_json(path: Path) -> dict[str, Any]:
    """Returns the object in a JSON file; raises `UserError` where there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise UserError(f"{path} cannot be read: it holds no JSON object")
    return found


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Writes a JSON file, completely or not at all, unless it already has this content."""
    replace_text(path, json.dumps(value, indent=2) + "\n")


def replace_text(path: Path, text: str) -> None:
    """Writes a file, completely or not at all, unless it already has this content."""
    partial = path.with_name(path.name + ".partial")
    with writing(path):
        if path.exists() and not path.is_file():  # /dev/stdout is not replaced
            path.write_bytes(text.encode())
        elif not path.exists() or path.read_bytes() != text.encode():
            partial.write_bytes(text.encode())
            partial.replace(path)


def finite(value: Any) -> Any:
    """Returns what JSON can hold of a value: numbers that are not finite are None, also those in lists and mappings."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: finite(each) for name, each in value.items()}
    return [finite(each) for each in value] if isinstance(value, list | tuple) else value

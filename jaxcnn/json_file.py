"""Objects in JSON files."""

import json
from pathlib import Path
from typing import Any

from jaxcnn.errors import UserError


def read_json(path: Path) -> dict[str, Any]:
    """Returns the object in a JSON file; raises `UserError` where there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise UserError(f"{path} cannot be read: it holds no JSON object")
    return found

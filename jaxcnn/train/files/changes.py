"""Changes of a resumed run's config: which are allowed, and how they are reported."""

import dataclasses
import json
from collections.abc import Collection, Mapping
from typing import Any

from jaxcnn.config.table import SETTINGS
from jaxcnn.errors import UserError

MAY_DIFFER = frozenset(key for key, setting in SETTINGS.items() if setting.resumable)
"""Keys that a resumed run may change: lengths, intervals, output, the place of the same data, and others that change no
result."""

FORCED = "resumed by force"
BACK = "resumed as once before"


@dataclasses.dataclass(frozen=True)
class Change:
    """A changed key of a resumed run's config."""

    key: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.key} ({self.old} -> {self.new})"


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Returns the differences between two configs, whose values are given by full name."""
    changes = [Change(key, old.get(key), new.get(key)) for key in sorted(old.keys() | new.keys())]
    return [change for change in changes if change.old != change.new]


def resumed_line(change: Change, forced: Collection[Change]) -> str:
    """Returns a line about a change: it is one of the `forced` ones, is allowed, or returns to a former value."""
    how = FORCED if change in forced else "resumed" if change.key in MAY_DIFFER else BACK
    return f"{how} with {change}"


def as_json(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values of a config as a JSON file would give them back."""
    try:
        return json.loads(json.dumps(plain))
    except TypeError as error:
        raise UserError(f"a config holds plain values only: {error}") from None

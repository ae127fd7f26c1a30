"""Changes of a resumed run's config: which are allowed, and how they are reported."""

import dataclasses
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from jaxcnn.config import base_config
from jaxcnn.config.keys import flat
from jaxcnn.config.table import SETTINGS
from jaxcnn.errors import UserError
from jaxcnn.json_file import read_json, write_json

Given: TypeAlias = Mapping[str, str]
"""By part, the qualified names of objects that were handed over in Python."""
NOTHING: Given = {}

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


@dataclasses.dataclass(frozen=True, kw_only=True)
class KeptConfig:
    """The config that a run folder keeps, and the values that its keys had before."""

    name: str
    """Of the folder, in messages."""
    config: Path
    """config.json."""
    history: Path
    """config_history.json: former values by key, of those that were changed by force."""
    card: Path
    """run.json."""

    def check(self, asked: Mapping[str, Any], given: Given = NOTHING, *, force: bool = False) -> None:
        """Raises `UserError` if a resumed run may not have the config that is asked for, unless `force`.

        The keys that count are those that a resumed run must keep and that never had this value in the folder.

        Args:
            asked: values of the config.
            given: objects that are handed over with it.
            force: whether it may have any config.
        """
        self._refuse(self._changes(as_json(asked), given), force=force)

    def differs(self, asked: Mapping[str, Any], given: Given = NOTHING) -> bool:
        """Returns whether the saved state may belong to a config that cannot be resumed with this one."""
        return not self.config.exists() or bool(self._changes(as_json(asked), given).keys() - MAY_DIFFER)

    def adopt(
        self, asked: Mapping[str, Any], given: Given = NOTHING, *, resumed: bool, force: bool = False
    ) -> list[str]:
        """Writes config.json; returns lines about the differences from the resumed run.

        Values that were changed by force are remembered, so that a run may return to them.

        Args:
            asked: values of the run's config.
            given: objects that were handed over.
            resumed: whether the run is resumed.
            force: whether changes are allowed that a resumed run may not make.

        Raises:
            UserError: as `check`.
        """
        new = as_json(asked)
        changes = self._changes(new, given) if resumed else {}
        forced = self._refuse(changes, force=force)
        self._remember(changes, resumed=resumed)
        write_json(self.config, new)
        return [resumed_line(change, forced) for change in changes.values()]

    def _refuse(self, changes: Mapping[str, Change], *, force: bool) -> list[Change]:
        """Returns the changes that need force; raises `UserError` if there are some without it."""
        found = [
            change for key, change in changes.items() if key not in MAY_DIFFER and change.new not in self._had(key)
        ]
        if found and not force:
            differ = ", ".join(map(str, found))
            raise UserError(f"{self.name} holds a run of another config: {differ}; use another --workdir, or --force")
        return found

    def _remember(self, changes: Mapping[str, Change], *, resumed: bool) -> None:
        """Remembers the former values of keys; forgets those of earlier starts if the run begins anew."""
        if not resumed:
            self.history.unlink(missing_ok=True)
        left = {key: change.old for key, change in changes.items() if key not in MAY_DIFFER}
        new = {key: [*self._had(key), old] for key, old in left.items() if old not in self._had(key)}
        if new:
            write_json(self.history, self._history() | new)

    def _history(self) -> dict[str, Any]:
        return read_json(self.history) if self.history.exists() else {}

    def _had(self, key: str) -> list[Any]:
        """Returns the former values of a key."""
        return list(self._history().get(key, []))

    def _changes(self, new: dict[str, Any], given: Given) -> dict[str, Change]:
        """Returns the differences from config.json, by key. Keys that are newer than the folder had their defaults.

        Objects that are handed over are compared by name with those in the card.
        """
        if not self.config.exists():
            return {}
        defaults = as_json(base_config().to_dict())
        before = flat(defaults, within=True) | flat(read_json(self.config), within=True)
        if self.card.exists():
            before |= _handed_over(read_json(self.card).get("given", {}))
            new = {**new, **_handed_over(given)}
        return {change.key: change for change in differences(before, flat(new, within=True))}


def _handed_over(given: Given) -> dict[str, str]:
    """Returns the handed-over parts as keys of a config, without data, which have a name and a fingerprint there."""
    return {f"{part} handed over in Python": name for part, name in given.items() if part != "data"}

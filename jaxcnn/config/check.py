"""From the config that a user made to the one that a run keeps: checked by the table, and nothing in it can change."""

from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict, FrozenConfigDict

from jaxcnn.config.table import SETTINGS
from jaxcnn.errors import UserError


def frozen(config: ConfigDict) -> FrozenConfigDict:
    """Returns `config` with lists as tuples.

    Raises:
        UserError: for anything but a config, and for a value of another kind than its setting, such as True for a
            number, or one that a JSON file cannot hold.
    """
    if not isinstance(config, ConfigDict):
        raise UserError(f"config is of type {type(config).__name__}: it must be base_config() with changes")
    plain = _tuples(config.to_dict(), "")
    for setting in SETTINGS.values():
        setting.check_kind(setting.value(plain))
    return FrozenConfigDict(plain)


def check(config: FrozenConfigDict) -> None:
    """Raises `UserError` for a word that nothing here goes by, or a number outside of its range, of any setting."""
    for setting in SETTINGS.values():
        setting.check(setting.value(config))


def _tuples(value: Any, key: str) -> Any:
    if isinstance(value, Mapping):
        return {name: _tuples(inner, f"{key}.{name}".lstrip(".")) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_tuples(inner, key) for inner in value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise UserError(f"{key} is {value!r:.60}: a config holds numbers, texts, lists and dictionaries of them")

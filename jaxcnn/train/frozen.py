"""The config as a run keeps it: every value of the kind that its key has, and nothing that can change."""

from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict, FrozenConfigDict

from jaxcnn.config import base_config, kinds_of
from jaxcnn.errors import UserError

_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def frozen(config: ConfigDict) -> FrozenConfigDict:
    """Returns `config` with lists as tuples.

    Raises:
        UserError: for a value of another kind than its key has in `base_config()`, such as True for a number, or a
            value that a JSON file cannot hold.
    """
    plain = _tuples(config.to_dict(), "")
    for key, kind, optional in kinds_of(base_config()):
        value: Any = plain
        for part in key.split("."):
            if not isinstance(value, Mapping) or part not in value:
                raise UserError(f"the config has no {key}: a config is base_config() with changes")
            value = value[part]
        if not (optional and value is None) and not _is(value, kind):
            raise UserError(f"{key} is {value!r}: it must be {_NAMES[kind]}")
    return FrozenConfigDict(plain)


def _is(value: Any, kind: type) -> bool:
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, int | float if kind is float else kind)


def _tuples(value: Any, key: str) -> Any:
    if isinstance(value, Mapping):
        return {name: _tuples(inner, f"{key}.{name}".lstrip(".")) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_tuples(inner, key) for inner in value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise UserError(f"{key} is {value!r:.60}: a config holds numbers, texts, lists and dictionaries of them")

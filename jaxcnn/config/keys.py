"""The keys of a config by their full names: what a text means for one, and which ones another name may mean."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from jaxcnn.config.kinds import TEXT, TIMES
from jaxcnn.config.table import DICTIONARIES, GROUPS, OPEN, SETTINGS
from jaxcnn.errors import UserError

_MODEL = "model"
FIELDS = f"{_MODEL}.fields"
"""The dictionary whose keys are those of the model's class."""
_NOTHING = ("", "none", "null")
_VAGUE = ("name", "model", "norm")
"""Last parts of keys that alone do not say what they are."""


def parse_value(key: str, text: str) -> Any:
    """Returns the value that a text means for a key.

    Nothing, or None in any spelling, is None where the key may be that; for a text only as Python writes it, since none
    is a word there. 1e2 is a whole number.

    Raises:
        UserError: the key cannot have such a value.
    """
    setting = SETTINGS[key]
    kind, wrong = setting.kind, f"--config.{key}={_shown(text)}: it must be {setting.kind.said}"
    if text in ("", "None") if kind.type is str else text.strip().lower() in _NOTHING:
        if setting.optional:
            return None
        if kind.type in (tuple, dict):
            return kind.type()
        if text or kind not in (TEXT, TIMES):
            raise UserError(f"{wrong}, by default {setting.default!r}")
    try:
        return kind.read(text)
    except (ValueError, OverflowError):
        raise UserError(wrong + (" or None" if setting.optional else "")) from None


def is_free(key: str) -> bool:
    """Returns whether a key is no setting but one that a user may add: a field of a model, an option of a part."""
    return key not in SETTINGS and any(key.startswith(f"{group}.") for group in (*DICTIONARIES, *OPEN))


def find_key(name: str) -> tuple[str, str]:
    """Returns the key of a name, and what to tell the user of that, or "".

    The name of a group means its `name`.

    Raises:
        UserError: there is none, with those that may be meant.
    """
    if name in SETTINGS or is_free(name):
        return name, ""
    if f"{name}.name" in SETTINGS:
        return f"{name}.name", f"--config.{name} is taken as --config.{name}.name"
    if name in GROUPS or name in DICTIONARIES:
        own = [key for key in SETTINGS if key.startswith(f"{name}.")]
        raise UserError(f"--config.{name}: {name} is a group of keys: {', '.join(own)}")
    raise UserError(f"there is no config key {name!r}: {hint(name)}")


def short_name(key: str, keys: Iterable[str]) -> str:
    """Returns the last part of a key, with as much before it as tells it from the other keys, and says what it is."""
    parts, others = key.split("."), list(keys)
    for count in range(1, len(parts)):
        short = ".".join(parts[-count:])
        if short not in _VAGUE and sum(f".{other}".endswith(f".{short}") for other in others) == 1:
            return short
    return key


def hint(name: str) -> str:
    """Returns a question with the keys that a name may mean, by their full names."""
    found = nearest(name)
    if found:
        return f"did you mean {' or '.join(found)}?"
    return f"`jaxcnn settings` lists all keys; a field of the model's class is {FIELDS}.NAME"


def nearest(name: str) -> list[str]:
    """Returns the keys that a name may mean: with its last part, by what it is called elsewhere, or by its letters.

    What the group of the model does not have may be a field of the model's class.
    """
    keys = list(SETTINGS)
    group, _, own = name.rpartition(".")
    whole, last = _squeezed(name), _squeezed(own)
    exact = [key for key in keys if _squeezed(key) in (whole, f"{whole}.name")]
    whole_names = {_squeezed(key): key for key in keys} if group else {}
    spelt = exact or [whole_names[near] for near in difflib.get_close_matches(whole, whole_names, n=1, cutoff=0.88)]
    if spelt:
        return spelt
    ends = [key for key in keys if _squeezed(key.rpartition(".")[2]) == last] or _of_group(keys, last)
    meant = [key for key, setting in SETTINGS.items() if last in map(_squeezed, setting.aliases.split())]
    if ends or meant:
        return list(dict.fromkeys([*ends, *meant]))[:5]
    if group == _MODEL:
        return [f"{FIELDS}.{own}", *_alike([key for key in keys if key.startswith(f"{_MODEL}.")], [last], 0.7)]
    return (_alike(keys, [whole, last], 0.88) or _alike(keys, [whole, last], 0.7))[:5]


def _of_group(keys: Iterable[str], last: str) -> list[str]:
    """Returns the keys of the groups that are called so; of one with a `name` that alone."""
    own = [key for key in keys if last == _squeezed(key.rpartition(".")[0].rpartition(".")[2])]
    return [key for key in own if key.endswith(".name")] or own


def _alike(keys: Iterable[str], words: Iterable[str], cutoff: float) -> list[str]:
    """Returns the keys whose whole name or last part is spelt like one of the words."""
    names = {_squeezed(key): key for key in keys} | {_squeezed(key.rpartition(".")[2]): key for key in keys}
    found = [near for word in words for near in difflib.get_close_matches(word, names, n=2, cutoff=cutoff)]
    return list(dict.fromkeys(names[near] for near in found))


def flat(tree: Mapping[str, Any], prefix: str = "", *, within: bool = False) -> dict[str, Any]:
    """Returns full key -> value of nested keys.

    Args:
        tree: of a config, with plain values.
        prefix: of all keys.
        within: whether to go into dictionaries and what else a user adds; else each of these is one value.
    """
    found: dict[str, Any] = {}
    for key, value in tree.items():
        nested = isinstance(value, Mapping) and (within or not (prefix + key in DICTIONARIES or is_free(prefix + key)))
        found |= flat(value, f"{prefix}{key}.", within=within) if nested else {prefix + key: value}
    return found


def listed(keys: Iterable[str]) -> str:
    """Returns keys in words, the first ten of many."""
    names = sorted(keys)
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _shown(text: str) -> str:
    """Returns a text with its line breaks and the like escaped."""
    return repr(text)[1:-1]


def _squeezed(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")

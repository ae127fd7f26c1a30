"""The space of a sweep: which settings vary, and which values each may have."""

import dataclasses
import os
import tomllib
from collections.abc import Mapping
from typing import Any

from jaxcnn.addresses import local_path
from jaxcnn.config.keys import find_key, is_free, parse_value
from jaxcnn.config.kinds import NUMBER, WHOLE
from jaxcnn.config.table import SETTINGS
from jaxcnn.errors import UserError
from jaxcnn.ranges import is_number, is_whole

_EXAMPLE = '"optimizer.learning_rate" = {low = 1e-4, high = 1.0, log = true}, or batch_size = [32, 64, 128]'
_OWN = {"seed", "num_seeds"}
"""Keys that the sweep itself sets."""
_RANGE = {"low", "high", "log"}
_DIGITS = 4
"""Significant digits of a number that is drawn from a range, so that it can be typed again."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Interval:
    """A setting that is a number between two others."""

    key: str
    low: float
    high: float
    """Both belong to it."""
    log: bool
    """Whether values are uniform on a logarithmic scale."""
    whole: bool
    """Whether they are whole numbers."""

    def text(self, value: float) -> str:
        """Returns a value of the interval as a command line has it, with four significant digits."""
        if self.whole:
            return str(int(value))
        rounded = float(f"{value:.{_DIGITS}g}")
        return repr(rounded if self.low <= rounded <= self.high else value)

    def value(self, text: str) -> float:
        """Returns the value of a text."""
        return int(text) if self.whole else float(text)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choice:
    """A setting that is one of several values."""

    key: str
    texts: tuple[str, ...]
    """The values as a command line has them."""

    def text(self, value: str) -> str:
        """Returns the text of a value."""
        return value

    def value(self, text: str) -> str:
        """Returns the value of a text."""
        return text


Dimension = Interval | Choice


def read_space(place: str | os.PathLike[str]) -> tuple[Dimension, ...]:
    """Returns the space in a TOML file.

    Each key is a setting of `jaxcnn settings`. Its value is a list of values, or `{low = ..., high = ...}` with both
    ends, and `log = true` for a logarithmic scale.

    Raises:
        UserError: for a file, a key or a value that is wrong, in one line.
    """
    path = local_path("space", place)
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None
    return make_space(found, str(path))


def make_space(given: Mapping[str, Any], where: str = "space") -> tuple[Dimension, ...]:
    """Returns the space of a dictionary, as `read_space` has it of a file; `where` stands in messages."""
    flat = _flat(given)
    if not flat:
        raise UserError(f"{where} names no setting: write {_EXAMPLE}")
    found: dict[str, Dimension] = {}
    for name, value in flat.items():
        key = find_key(name)[0]
        if key in _OWN or key in found:
            raise UserError(f"{where}: {key} is " + ("set by the sweep itself" if key in _OWN else "there twice"))
        found[key] = _interval(where, key, value) if isinstance(value, Mapping) else _choice(where, key, value)
    return tuple(found.values())


def _flat(given: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns full key -> value; a table with `low` or `high` is a value."""
    found: dict[str, Any] = {}
    for key, value in given.items():
        nested = isinstance(value, Mapping) and not {"low", "high"} & value.keys()
        found |= _flat(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return found


def _interval(where: str, key: str, value: Mapping[str, Any]) -> Interval:
    if value.keys() - _RANGE or not {"low", "high"} <= value.keys():
        raise UserError(f"{where}: {key} has {', '.join(value)}: an interval has low and high, and perhaps log = true")
    low, high, log = value["low"], value["high"], value.get("log", False)
    if not (is_number(low) and is_number(high) and low < high and isinstance(log, bool)):
        raise UserError(f"{where}: {key} is from {low!r} to {high!r}: both are numbers, the first is less")
    if log and low <= 0:
        raise UserError(f"{where}: {key} begins at {low}: a logarithmic scale has numbers above 0")
    kind = None if is_free(key) else SETTINGS[key].kind
    if kind not in (None, NUMBER, WHOLE):
        raise UserError(f"{where}: {key} is no number: list its values, as {key} = [...]")
    whole = kind is WHOLE or (kind is None and is_whole(low) and is_whole(high))
    found = Interval(key=key, low=low, high=high, log=log, whole=whole)
    for end in (low, high):
        _check(where, key, str(end))
    return found


def _choice(where: str, key: str, value: Any) -> Choice:
    if not isinstance(value, list) or not value:
        raise UserError(f"{where}: {key} is {value!r}: write {_EXAMPLE}")
    texts = tuple(_text(each) for each in value)
    if len(set(texts)) < len(texts):
        raise UserError(f"{where}: {key} has a value twice")
    for text in texts:
        _check(where, key, text)
    return Choice(key=key, texts=texts)


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _check(where: str, key: str, text: str) -> None:
    """Raises `UserError` for a value that a setting cannot have."""
    try:
        if not is_free(key):
            SETTINGS[key].check(parse_value(key, text))
    except UserError as error:
        raise UserError(f"{where}: {error}") from None

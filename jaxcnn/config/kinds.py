"""The kinds of settings: what values of one are, and how a text on the command line is read."""

import ast
import contextlib
import dataclasses
import json
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from jaxcnn.config.durations import parse_boundaries, parse_duration
from jaxcnn.config.multipliers import are_multipliers, parse_multipliers, read_multipliers
from jaxcnn.ranges import Range, check_number, check_whole, is_number, is_whole

_ONE = Fraction(1)
_SWITCHES = dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True) | dict.fromkeys(
    ("false", "f", "no", "n", "off", "0"), False
)


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of settings."""

    said: str
    """As messages and pages call it: "a whole number"."""
    type: type
    """Of the values, as a `ConfigDict` knows it."""
    read: Callable[[str], Any]
    """A text -> the value that it means; raises `ValueError` or `OverflowError` where it means none."""
    holds: Callable[[Any], bool]
    """Whether a value is of this kind."""
    check: Callable[[str, Any, Range], None] = check_number
    """(what, value, range): raises `UserError` for a number, or one of several, that is not in the range."""
    parse: Callable[[str, str], Any] | None = None
    """(key, text) -> what a text of this kind means; raises `UserError` where it means nothing."""


def parse_literal(text: str) -> Any:
    """Returns what a text means where any plain value may stand: JSON, a Python literal, or else a word."""
    for parse in (json.loads, _literal):
        with contextlib.suppress(ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return parse(text)
    return text


def _literal(text: str) -> Any:
    return json.loads(json.dumps(ast.literal_eval(text)))  # as it is when it is read again


def _switch(text: str) -> bool:
    if text.strip().lower() not in _SWITCHES:
        raise ValueError(text)
    return _SWITCHES[text.strip().lower()]


def _whole(text: str) -> int:
    with contextlib.suppress(ValueError):
        return int(text, 0)
    number = float(text)
    if not number.is_integer():
        raise ValueError(text)
    return int(number)


def _dictionary(text: str) -> dict[str, Any]:
    found = parse_literal(text) if text not in ("", "None") else {}
    if not isinstance(found, dict):
        raise ValueError(text)
    return found


def _several(read: Callable[[str], Any], holds: Callable[[Any], bool]) -> Callable[[str], tuple[Any, ...]]:
    """Returns what reads "1, 2" and "[1, 2]" as a tuple; nothing is an empty one."""

    def read_all(text: str) -> tuple[Any, ...]:
        found = parse_literal(text)
        if isinstance(found, list):
            if not all(map(holds, found)):
                raise ValueError(text)
            return tuple(found)
        parts = [part.strip() for part in text.strip().removesuffix(",").split(",")] if text.strip() else []
        if "" in parts:
            raise ValueError(text)
        return tuple(map(read, parts))

    return read_all


def _all(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, tuple) and all(map(holds, value))


def _is(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind)


SWITCH = Kind("true or false", bool, _switch, _is(bool))
WHOLE = Kind("a whole number", int, _whole, is_whole, check_whole)
NUMBER = Kind("a number", float, float, is_number)
TEXT = Kind("a text", str, str, _is(str))
NUMBERS = Kind("numbers, separated by commas", tuple, _several(float, is_number), _all(is_number))
TEXTS = Kind("texts, separated by commas", tuple, _several(str, _is(str)), _all(_is(str)))
TIME = Kind(
    "a time, as '500 steps' or '2.5 epochs'",
    str,
    str,
    _is(str),
    parse=lambda key, text: parse_duration(key, text, _ONE),
)
TIMES = Kind(
    "times, as '10, 14, 18 epochs'", str, str, _is(str), parse=lambda key, text: parse_boundaries(key, text, _ONE)
)
MULTIPLIERS = Kind(
    "patterns with factors, as 'classifier=10, stem=0.1:0'",
    tuple,
    read_multipliers,
    are_multipliers,
    parse=parse_multipliers,
)
DICTIONARY = Kind("a dictionary, as '{\"padding\": 2}'", dict, _dictionary, _is(dict))

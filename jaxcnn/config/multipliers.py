"""Factors of learning rate and weight decay, as a text or as tuples."""

import re
from collections.abc import Sequence
from typing import Any, TypeAlias

from jaxcnn.errors import UserError
from jaxcnn.ranges import above, at_least, check_number, is_number

Multiplier: TypeAlias = tuple[str, float, float]
"""(pattern, factor of the learning rate, factor of the weight decay)."""

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_ENTRY = re.compile(rf"\s*(?P<pattern>\S.*?)\s*=\s*(?P<rate>{_NUMBER})(?:\s*:\s*(?P<decay>{_NUMBER}))?\s*(?:,|$)")


def read_multipliers(text: str) -> tuple[tuple[Any, ...], ...]:
    """Returns what "classifier=10, stem=0.1:0" means: (pattern, rate) or (pattern, rate, decay) for each entry.

    An entry ends with its numbers, so that a pattern may have commas, colons and equals signs itself.

    Raises:
        ValueError: for a text that is not made of such entries.
    """
    found, place = [], 0
    while text[place:].strip():
        entry = _ENTRY.match(text, place)
        if entry is None:
            raise ValueError(text)
        decay = () if entry["decay"] is None else (float(entry["decay"]),)
        found.append((entry["pattern"], float(entry["rate"]), *decay))
        place = entry.end()
    return tuple(found)


def are_multipliers(value: object) -> bool:
    """Returns whether a value is a tuple of (pattern, rate) and (pattern, rate, decay)."""
    return isinstance(value, tuple) and all(map(_is_multiplier, value))


def _is_multiplier(entry: Any) -> bool:
    fits = isinstance(entry, list | tuple) and len(entry) in (2, 3) and isinstance(entry[0], str)
    return fits and all(map(is_number, entry[1:]))


def parse_multipliers(key: str, entries: Sequence[Sequence[Any]]) -> tuple[Multiplier, ...]:
    """Returns each entry with its factor of the weight decay, by default 1.

    Args:
        key: of the setting, for messages.
        entries: as `are_multipliers` allows them.

    Raises:
        UserError: for an empty pattern, one that comes twice, or a factor that is none.
    """
    found = tuple((entry[0], float(entry[1]), float(entry[2]) if len(entry) > 2 else 1.0) for entry in entries)
    patterns = [pattern for pattern, _, _ in found]
    twice = next((pattern for pattern in patterns if patterns.count(pattern) > 1), None)
    if not all(map(str.strip, patterns)):
        raise UserError(f"{key} has an empty pattern: '.*' matches all parameters")
    if twice is not None:
        raise UserError(f"{key} has the pattern {twice!r} twice")
    for pattern, rate, decay in found:
        if rate == 0:
            raise UserError(f"{key} gives {pattern!r} a rate of 0, which costs as much as training: use train.freeze")
        check_number(f"the rate of {pattern!r} in {key}", rate, above(0))
        check_number(f"the decay of {pattern!r} in {key}", decay, at_least(0))
    return found

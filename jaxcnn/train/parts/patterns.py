"""Patterns over the paths of parameters, such as "stage1_block1/conv1/kernel".

A pattern is a regular expression (Python's `re`). It matches from the start of a path, up to a place where a word or a
number of the path ends, and then all parameters below. So "stem" matches `stem_conv/kernel` and `stem1/conv/kernel`,
"stage[12]" matches `stage1_block1/conv1/kernel`, and "block1" does not match `block10/conv/kernel`. What may stand
anywhere in a path has ".*" before it: ".*norm", ".*/bias".
"""

import re
from collections.abc import Collection, Iterable, Iterator

from jaxcnn.errors import UserError, nearest
from jaxcnn.layers.variables import loop_of

_END = r"(?:(?<=[^\W\d_])(?![^\W\d_])|(?<=\d)(?!\d)|(?<=[\W_]))"
"""A place where a word or a number ends, or behind any other sign."""
_PLACE = re.compile(_END)
_SHOWN = 12
"""Most names that a message lists."""


def matching(key: str, pattern: str, paths: Collection[str]) -> set[str]:
    """Returns the paths that a pattern matches.

    Args:
        key: of the setting, for messages.
        pattern: a regular expression; an empty one matches nothing.
        paths: of all parameters.

    Raises:
        UserError: for a pattern that is none, or if it or one of its alternatives, "a" and "b" of "a|b", matches
            nothing.
    """
    found = set[str]()
    for alternative in alternatives(pattern) if pattern else ():
        compiled = _compiled(key, pattern, alternative)
        matched = {path for path in paths if (match := compiled.match(path)) and match.end()}
        if not matched:
            raise _nothing(key, alternative, paths)
        found |= matched
    return found


def alternatives(pattern: str) -> list[str]:
    """Returns the parts of a pattern between the "|" that stand outside of brackets."""
    parts, depth, place = [""], 0, 0
    while place < len(pattern):
        size = _size_at(pattern, place)
        sign, place = pattern[place : place + size], place + size
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if sign == "|" and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return parts


def _size_at(pattern: str, place: int) -> int:
    """Returns how many characters belong together: two of an escape, all of a class such as "[12]", else one."""
    if pattern[place] == "\\":
        return 2
    found = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]").match(pattern, place)
    return len(found[0]) if found else 1


def _compiled(key: str, pattern: str, alternative: str) -> re.Pattern[str]:
    try:
        re.compile(pattern)
        return re.compile(f"(?:{alternative}){_END}")
    except re.error as error:
        raise UserError(f"{key}: {pattern!r} is no regular expression: {error}") from None


def _nothing(key: str, pattern: str, paths: Collection[str]) -> UserError:
    """Returns the error for a pattern that matches none of the paths, with what may have been meant."""
    said = f"{key}: {pattern!r} matches no parameter"
    if any(re.search(pattern, path) for path in paths):
        return UserError(f"{said} from the start of its path: '.*{pattern}' matches anywhere in it")
    near = nearest(re.sub(r"[^\w/]", "", pattern), dict.fromkeys(_starts(paths)))
    if not near:
        known = sorted({next(_starts([path])) for path in paths})
        near = known[:_SHOWN] + ([f"{len(known) - _SHOWN} more"] if len(known) > _SHOWN else [])
        said += f": the paths begin with {', '.join(near)}"
    else:
        said += f": did you mean {' or '.join(near)}?"
    loops = sorted({loop_of(path.split("/")) for path in paths} - {""})
    return UserError(said + (f"; blocks that run in a loop are one group: {', '.join(loops)}" if loops else ""))


def _starts(paths: Iterable[str]) -> Iterator[str]:
    """Yields the starts of paths at which a pattern may end, the shortest of each path first."""
    for path in paths:
        for place in _PLACE.finditer(path):
            if path[place.end() - 1 : place.end()].isalnum():
                yield path[: place.end()]

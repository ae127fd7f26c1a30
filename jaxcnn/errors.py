"""What a user got wrong, said in one line."""

import contextlib
import difflib
import re
from collections.abc import Iterable

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class UserError(ValueError):
    """A mistake in what was asked for: the message is one line that says what is wrong and what would be right.

    The entry points print the message alone and leave with exit status 2; a library caller catches a ValueError.
    """


class Fault(RuntimeError):  # noqa: N818
    """What a machine did to a run, such as a disk that is full: the message is one line that says what is kept.

    The entry points print the message alone and leave with exit status 1.
    """


def unknown_word(kind: str, word: object, known: Iterable[str]) -> UserError:
    """Returns the error for a `word` that is not among the `known` ones of this `kind` ("model", "norm", ...)."""
    words = sorted(known)
    near = nearest(str(word), words)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(words)}"
    return UserError(f"unknown {kind} {str(word)!r}: {hint}")


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """Returns up to three of the `known` words that are spelt most like `word`, the nearest first."""
    small = {known_word.lower(): known_word for known_word in known}
    return [small[near] for near in difflib.get_close_matches(word.lower(), small, n=3, cutoff=0.6)]


def check_word(kind: str, word: object, known: Iterable[str]) -> None:
    """Raises `UserError` where `word` is not among the `known` ones."""
    words = list(known)
    if word not in words:
        raise unknown_word(kind, word, words)


def one_line(text: object) -> str:
    """Returns a text with its control characters escaped: names of files and classes may have them."""
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), str(text))


def say(line: str) -> None:
    """Prints a line; a standard output that cannot be written, such as a full disk's, ends nothing."""
    with contextlib.suppress(OSError):
        print(one_line(line), flush=True)

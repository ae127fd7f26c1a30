"""Errors that are shown in one line: mistakes of the user, and faults of the machine."""

import contextlib
import difflib
import os
import re
from collections.abc import Iterable, Iterator

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SHOWN = 100
"""Characters of a wrong word that a message shows; no right word is as long."""


class UserError(ValueError):
    """A mistake of the user. The message is one line that says what is wrong and what would be right.

    The entry points print only the message, and exit with status 2. A library caller catches a ValueError.
    """


class Fault(RuntimeError):  # noqa: N818
    """A fault of the machine during a run, such as a full disk. The message is one line that says what is kept.

    The entry points print only the message, and exit with status 1.
    """


class UnsavedError(Fault):
    """What could not be written, while the run can go on without it. The message is one line."""


def unknown_word(kind: str, word: object, known: Iterable[str]) -> UserError:
    """Returns the error for a `word` that is not `known`; `kind` says what it names ("model", "norm", ...)."""
    words = sorted(known)
    near = nearest(str(word), words)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(words)}"
    shown = str(word) if len(str(word)) <= _SHOWN else f"{str(word)[:_SHOWN]}..."
    return UserError(f"unknown {kind} {shown!r}: {hint}")


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """Returns up to three of the `known` words with the most similar spelling, the nearest first."""
    small = {known_word.lower(): known_word for known_word in known}
    return [small[near] for near in difflib.get_close_matches(word.lower(), small, n=3, cutoff=0.6)]


def check_word(kind: str, word: object, known: Iterable[str]) -> None:
    """Raises `UserError` if `word` is not `known`; `kind` says what it names."""
    words = list(known)
    if word not in words:
        raise unknown_word(kind, word, words)


@contextlib.contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turns an error of the system into a `UserError` that says which file cannot be written, and why."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{os.fspath(path)} cannot be written: {error.strerror or error}") from None


def one_line(text: object) -> str:
    """Returns a text with its control characters escaped. Names of files and classes may have some."""
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), str(text))


def first_line(error: BaseException) -> str:
    """Returns the first line of what an error says, or its type if it says nothing. Libraries may say pages."""
    lines = str(error).strip().splitlines()
    return " ".join(lines[0].split()) if lines else type(error).__name__


def say(line: str) -> None:
    """Prints a line. It ignores an error of standard output, such as a full disk."""
    with contextlib.suppress(OSError):
        print(one_line(line), flush=True)

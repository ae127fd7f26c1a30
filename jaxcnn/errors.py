"""What a user got wrong, said in one line."""

import contextlib
import difflib
import os
import sys
from collections.abc import Callable, Iterable
from typing import NoReturn


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
    nearest = difflib.get_close_matches(str(word), words, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(nearest)}?" if nearest else f"known: {', '.join(words)}"
    return UserError(f"unknown {kind} {str(word)!r}: {hint}")


def check_word(kind: str, word: object, known: Iterable[str]) -> None:
    """Raises `UserError` where `word` is not among the `known` ones."""
    words = list(known)
    if word not in words:
        raise unknown_word(kind, word, words)


def answer(command: Callable[[], int]) -> int:
    """Runs a command; returns its exit status.

    That is 2 after a `UserError` and 1 after a `Fault`, each said in one line on standard error.
    """
    try:
        return command()
    except UserError as error:
        print(f"jaxcnn: {error}", file=sys.stderr)
        return 2
    except Fault as fault:
        print(f"jaxcnn: {fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("jaxcnn: interrupted", file=sys.stderr)
        return 130


def say(line: str) -> None:
    """Prints a line; a standard output that cannot be written, such as a full disk's, ends nothing."""
    with contextlib.suppress(OSError):
        print(line, flush=True)


def leave(status: int) -> NoReturn:
    """Ends the process; after an interruption at once, since XLA's threads may crash an interpreter that winds down."""
    if status == 130:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)

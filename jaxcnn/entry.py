"""Runs the work of our programs: errors become one line and an exit status."""

import os
import sys
from collections.abc import Callable
from typing import NoReturn

from jaxcnn import platforms
from jaxcnn.errors import Fault, UserError, one_line
from jaxcnn.streams import OutputLostError, lost


def answer(command: Callable[[], int]) -> int:
    """Runs a command; returns its exit status.

    It is 2 after a `UserError`, or if jax finds no device; 1 after a `Fault`, or if the program's only result is
    standard output, which cannot be written. Each is a line on standard error. If the reader of standard output has
    gone away, it has what it needs; the status is 0 then, without a line.
    """
    platforms.hush()
    try:
        status = _finished(command)
        sys.stdout.flush()
        return status
    except UserError as error:
        return _said(platforms.trouble(error) or error, 2)
    except Fault as fault:
        return _said(fault, 1)
    except OutputLostError as error:
        return 0 if error.unread else _said(error, 1)
    except KeyboardInterrupt:
        return _said("interrupted", 130)
    except Exception as error:
        trouble = platforms.trouble(error)
        if not trouble:
            raise
        return _said(trouble, 2)


def answer_in_print(command: Callable[[], int]) -> int:
    """Does what `answer` does, for a command whose result is its output: 1 if that could not be written."""
    status, trouble = answer(command), lost()
    return _said(trouble, 1) if trouble and not trouble.unread and not status else status


def leave(status: int) -> NoReturn:
    """Ends the process; after an interruption immediately, since XLA's threads may crash Python's shutdown."""
    if status == 130:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


def _finished(command: Callable[[], int]) -> int:
    try:
        return command()
    except SystemExit as end:  # from argparse, after --help
        return end.code if isinstance(end.code, int) else _said(end.code, 1) if end.code else 0


def _said(what: object, status: int) -> int:
    print(f"jaxcnn: {one_line(what)}", file=sys.stderr)
    return status

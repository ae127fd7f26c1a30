"""What all our programs do around their work: one line for what is wrong, and the exit status."""

import os
import sys
from collections.abc import Callable
from typing import NoReturn

from jaxcnn import platforms
from jaxcnn.errors import Fault, UserError, one_line
from jaxcnn.streams import OutputLostError, lost


def answer(command: Callable[[], int]) -> int:
    """Runs a command; returns its exit status.

    That is 2 after a `UserError`, or where jax finds no device, and 1 after a `Fault` or where standard output was all
    that was asked for and cannot be written, each said in one line on standard error. A reader that has gone away has
    what it wanted: then it is 0, and nothing is said.
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
    """Does as `answer` for a command whose result is what it prints: 1 where that could not be written."""
    status, trouble = answer(command), lost()
    return _said(trouble, 1) if trouble and not trouble.unread and not status else status


def leave(status: int) -> NoReturn:
    """Ends the process; after an interruption at once, since XLA's threads may crash an interpreter that winds down."""
    if status == 130:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


def _finished(command: Callable[[], int]) -> int:
    try:
        return command()
    except SystemExit as end:  # argparse's, after --help
        return end.code if isinstance(end.code, int) else _said(end.code, 1) if end.code else 0


def _said(what: object, status: int) -> int:
    print(f"jaxcnn: {one_line(what)}", file=sys.stderr)
    return status

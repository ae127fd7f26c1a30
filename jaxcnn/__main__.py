"""`jaxcnn COMMAND ...`, or `python -m jaxcnn COMMAND ...`: runs a command with the rest of the line."""

import contextlib
import functools
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from jaxcnn import __version__, platforms, runtime, streams
from jaxcnn.commands.registry import COMMANDS, COMPUTING, LISTING
from jaxcnn.entry import answer, answer_in_print, leave
from jaxcnn.errors import UserError, check_word
from jaxcnn.table import aligned

TRAIN = "to train: jaxcnn train --config=digits_lenet5 --workdir=runs/digits"
_TRAINING = {"main", "run", "fit", "training", "resume", "eval"}


def main(argv: Sequence[str]) -> int:
    """Runs a command line, without its program; returns the exit status.

    Raises:
        UserError: for an unknown command, and as the command.
    """
    if not argv or argv[0] in ("-h", "--help"):
        print(_usage(), file=sys.stdout if argv else sys.stderr)
        return 0 if argv else 2
    if argv[0] == "--version":
        print(f"jaxcnn {__version__}")
        return 0
    name = argv[0].replace("_", "-")
    if name in _TRAINING:
        raise UserError(f"there is no command {name!r}: {TRAIN}")
    check_word("command", name, COMMANDS)
    runtime.configure()
    platforms.hush_cuda()
    return importlib.import_module(COMMANDS[name][0]).main(argv[1:])


def run() -> NoReturn:
    """Runs the command line of this process, and ends it with the exit status."""
    argv = sys.argv[1:]
    streams.open_streams(ends=_only_prints(argv))
    if COMPUTING & set(argv[:1]):
        runtime.begin()
    _import_from_here()
    answering = answer if argv[:1] == ["train"] else answer_in_print  # a training's result is its folder
    leave(answering(functools.partial(main, argv)))


def _import_from_here() -> None:
    """Lets the console script import a user's modules from the current folder, as `python -m` does."""
    with contextlib.suppress(OSError):  # the folder was removed
        if not sys.flags.safe_path and os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())


def _only_prints(argv: Sequence[str]) -> bool:
    """Returns whether this command line only prints, so that it can end if nobody reads."""
    return not argv or argv[0] in {"--version", *LISTING} or bool({"-h", "--help"} & set(argv))


def _usage() -> str:
    lines = aligned((f"  {name}", about) for name, (_, about) in COMMANDS.items())
    return "\n".join(["usage: jaxcnn COMMAND ...", *lines, "", TRAIN])


if __name__ == "__main__":
    run()

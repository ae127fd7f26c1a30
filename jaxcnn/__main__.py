"""`python -m jaxcnn COMMAND ...`: looks the command up and hands it the rest of the line."""

import functools
import importlib
import sys
from collections.abc import Sequence

from jaxcnn import platforms, runtime, streams
from jaxcnn.entry import answer_in_print, leave
from jaxcnn.errors import UserError, check_word

COMPUTING = {"benchmark", "browse", "verify"}
"""Commands that compile programs; with `-v` they say what has been set for that."""
TRAIN = "to train: python -m jaxcnn.main --config=configs/digits_lenet5.py --workdir=runs/digits"
_TRAINING = {"train", "main", "run", "fit", "training", "resume", "evaluate", "eval"}
LISTING = {"datasets", "models"}
"""Commands that do nothing but print."""
COMMANDS = {  # command -> its module, imported when asked for, with main(argv) -> exit status; and its help
    "benchmark": ("jaxcnn.commands.benchmark", "measure how fast things are here"),
    "browse": ("jaxcnn.commands.browse", "write a picture of what a network really sees"),
    "datasets": ("jaxcnn.commands.datasets", "list the data sets and which are prepared where"),
    "import-weights": ("jaxcnn.commands.import_weights", "keep a reference implementation's weights as ours"),
    "models": ("jaxcnn.commands.models", "list the models, their papers and sizes"),
    "prepare": ("jaxcnn.commands.prepare", "make a data set ready to train on"),
    "verify": ("jaxcnn.commands.verify", "check a run folder: its checksums, and its recorded numbers anew"),
}


def main(argv: Sequence[str]) -> int:
    """Runs a command line; returns the exit status.

    Raises:
        UserError: for an unknown command, or what the command says is wrong.
    """
    if not argv or argv[0] in ("-h", "--help"):
        print(_usage(), file=sys.stdout if argv else sys.stderr)
        return 0 if argv else 2
    name, *rest = argv
    if name in _TRAINING:
        raise UserError(f"there is no command {name!r}: {TRAIN}")
    check_word("command", name, COMMANDS)
    runtime.configure()
    platforms.hush_cuda()
    return importlib.import_module(COMMANDS[name][0]).main(rest)


def _only_prints(argv: Sequence[str]) -> bool:
    """Returns whether there is nothing left to do where nobody reads what is printed."""
    return not argv or argv[0] in LISTING or bool({"-h", "--help"} & set(argv))


def _usage() -> str:
    lines = (f"  {name:14} {about}" for name, (_, about) in COMMANDS.items())
    return "\n".join(["usage: python -m jaxcnn COMMAND ...", *lines, "", TRAIN])


if __name__ == "__main__":
    streams.open_streams(ends=_only_prints(sys.argv[1:]))
    if COMPUTING & set(sys.argv[1:2]):
        runtime.begin()
    leave(answer_in_print(functools.partial(main, sys.argv[1:])))

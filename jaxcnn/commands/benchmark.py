"""`jaxcnn benchmark SUBJECT ...`: measures speed on this machine."""

import importlib
import sys
from collections.abc import Sequence

from jaxcnn.errors import check_word

SUBJECTS = {  # subject -> its module, imported on use, with main(argv) -> exit status; and its help
    "data": ("jaxcnn.commands.benchmark_data", "the stages of the data pipeline, compared with the training step"),
    "step": ("jaxcnn.commands.benchmark_step", "training steps and inference, compared with PyTorch's"),
    "tpu": (
        "jaxcnn.commands.benchmark_tpu",
        "the training step compiled for TPU slices: memory, work and a model of time",
    ),
}


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status.

    Raises:
        UserError: for an unknown subject, and as the subject's own command.
    """
    if not argv or argv[0] in ("-h", "--help"):
        print(_usage(), file=sys.stdout if argv else sys.stderr)
        return 0 if argv else 2
    subject, *rest = argv
    check_word("subject", subject, SUBJECTS)
    return importlib.import_module(SUBJECTS[subject][0]).main(rest)


def _usage() -> str:
    lines = (f"  {name:10} {about}" for name, (_, about) in SUBJECTS.items())
    return "\n".join(["usage: jaxcnn benchmark SUBJECT ...", *lines])

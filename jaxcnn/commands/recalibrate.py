"""`jaxcnn recalibrate RUN --output DIR`: gives batch norms the statistics of un-augmented training images."""

from collections.abc import Sequence
from pathlib import Path

from jaxcnn.commands.json_option import add_json, write_json
from jaxcnn.commands.parser import CommandParser
from jaxcnn.evaluation.recalibrate import recalibrate
from jaxcnn.table import print_rows


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status.

    Raises:
        UserError: for a run or folder that cannot be used, in one line.
    """
    arguments = make_parser().parse_args(argv)
    found = recalibrate(arguments.run, arguments.output, step=arguments.checkpoint)
    write_json(arguments.json, found)
    print(f"{found['run']}, step {found['step']:,}: statistics of {found['examples']:,} training images\n")
    names = [name for name in found["before"] if name.count("/") == 1 and not name.endswith("/examples")]
    rows = [(name, f"{found['before'][name]:.4f}", f"{found['after'][name]:.4f}") for name in names]
    print_rows(("validation", "before", "after"), rows, markdown=False)
    print(f"\n{found['output']} is the run with the new statistics; {found['run']} is as it was")
    return 0


def make_parser() -> CommandParser:
    """Returns the command line of the command."""
    parser = CommandParser(
        "jaxcnn recalibrate",
        description="Give the batch norms of a run the statistics of un-augmented training images.",
        example="jaxcnn recalibrate runs/cifar10 --output runs/cifar10_recalibrated",
    )
    parser.add_subject(classes=False)
    parser.add_argument("--output", metavar="DIR", type=Path, required=True, help="a new folder for the result")
    add_json(parser, "write all numbers there")
    return parser

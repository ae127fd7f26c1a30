"""`jaxcnn doctor RUN`: what is wrong with a trained run, and what mends it."""

import dataclasses
from collections.abc import Sequence

from jaxcnn.commands.json_option import add_json, write_json
from jaxcnn.commands.parser import CommandParser
from jaxcnn.evaluation.doctor import doctor

_MARKS = {True: "ok", False: "WRONG", None: "-"}


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status: 0 if nothing is wrong, else 1.

    Raises:
        UserError: for a run that cannot be examined, in one line.
    """
    arguments = make_parser().parse_args(argv)
    found = doctor(arguments.run, data_dir=arguments.data_dir)
    write_json(arguments.json, [dataclasses.asdict(verdict) for verdict in found])
    for verdict in found:
        mend = f"\n       mend: {verdict.mend.replace('RUN', arguments.run)}" if verdict.mend else ""
        print(f"{_MARKS[verdict.good]:7}{verdict.question}: {verdict.figures}{mend}")
    asked = [verdict for verdict in found if verdict.good is not None]
    ill = sum(not verdict.good for verdict in asked)
    told = f"{ill} of {len(asked)} questions show something wrong" if ill else f"all {len(asked)} questions: fine"
    left = len(found) - len(asked)
    print(f"\n{told}{f'; {left} could not be asked' if left else ''}")
    return 1 if ill else 0


def make_parser() -> CommandParser:
    """Returns the command line of the command."""
    parser = CommandParser(
        "jaxcnn doctor",
        description="Examine a trained run: what is wrong with it, and what mends it.",
        example="jaxcnn doctor runs/cifar10",
    )
    parser.add_run()
    parser.add_argument("--data-dir", metavar="DIR", help="where its data lies now, if not where it was")
    add_json(parser, "write the verdicts there")
    return parser

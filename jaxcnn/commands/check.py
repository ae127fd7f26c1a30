"""`jaxcnn check CLAIMS`: derives claims again, about grids from their runs, about other numbers from their file."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from jaxcnn.commands.json_option import add_json, write_json
from jaxcnn.commands.parser import CommandParser
from jaxcnn.comparing.claims import check


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status: 0 if all claims hold, else 1.

    Raises:
        UserError: for a file that cannot be read, or a claim that is written wrongly, in one line.
    """
    arguments = make_parser().parse_args(argv)
    found = check(arguments.claims)
    write_json(arguments.json, [dataclasses.asdict(verdict) for verdict in found])
    for verdict in found:
        print(f"{'green  ' if verdict.holds else 'RED    '}{verdict.claim}: {verdict.found}")
        if verdict.latex:
            print(f"       LaTeX: {verdict.latex}")
        if verdict.commits or verdict.command:
            print(f"       commit {', '.join(verdict.commits)}" + (f": {verdict.command}" if verdict.command else ""))
    red = sum(not verdict.holds for verdict in found)
    print(f"\n{red} of {len(found)} claims do not hold" if red else f"\nall {len(found)} claims hold")
    return 1 if red else 0


def make_parser() -> CommandParser:
    """Returns the command line of the command."""
    parser = CommandParser(
        "jaxcnn check",
        description="Derive claims again: from the runs of grids, from the table.json that compare has kept of them, "
        "or from other files of numbers.",
        example="jaxcnn check experiments/claims.toml",
    )
    parser.add_argument("claims", metavar="CLAIMS", type=Path, help="a TOML file of claims, see docs/comparing.md")
    add_json(parser, "write what was found there")
    return parser

"""`jaxcnn soup RUN RUN... --output DIR`: the mean of the weights of runs that began from the same weights."""

from collections.abc import Sequence
from pathlib import Path

from jaxcnn.commands.json_option import add_json, write_json
from jaxcnn.commands.parser import CommandParser
from jaxcnn.evaluation.soup import soup
from jaxcnn.table import print_rows


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status.

    Raises:
        UserError: for runs or a folder that cannot be used, in one line.
    """
    arguments = make_parser().parse_args(argv)
    found = soup([arguments.run, *arguments.runs], arguments.output, step=arguments.checkpoint)
    write_json(arguments.json, found)
    before, after = found["before"], found["after"]
    names = [name for name in after if name.count("/") == 1 and not name.endswith("/examples")]
    results = list(zip(found["runs"], found["each"], strict=True))
    results += [("soup, with averaged statistics", before)] if before is not None else []
    estimated = f", with those of {found['images']:,} training images" if found["images"] else ""
    results.append((f"soup{estimated}", after))
    rows = [(what, *(f"{result[name]:.4f}" for name in names)) for what, result in results]
    print_rows(("validation", *(name.removeprefix("val/") for name in names)), rows, markdown=False)
    print(f"\n{found['output']} is a run with the mean of the weights; the {len(found['runs'])} runs are as they were")
    return 0


def make_parser() -> CommandParser:
    """Returns the command line of the command."""
    parser = CommandParser(
        "jaxcnn soup",
        description="Average the weights of runs that began from the same trained weights.",
        example="jaxcnn soup runs/birds_1 runs/birds_2 runs/birds_3 --output runs/birds_soup",
    )
    parser.add_subject(classes=False)
    parser.add_argument("runs", metavar="RUN", nargs="+", help="further runs")
    parser.add_argument("--output", metavar="DIR", type=Path, required=True, help="a new folder for the result")
    add_json(parser, "write all numbers there")
    return parser

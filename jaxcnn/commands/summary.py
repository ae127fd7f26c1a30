"""`jaxcnn summary MODEL|RUN|package.module:Net`: the layers of a net, what they cost, and what they see."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxcnn.commands.json_option import add_json, write_json
from jaxcnn.commands.net_options import add_net, net_options
from jaxcnn.commands.parser import CommandParser, new_file
from jaxcnn.errors import writing
from jaxcnn.inside.columns import COLUMNS, DEFAULT, chosen
from jaxcnn.inside.summary import BY, Summary, summary
from jaxcnn.table import print_rows, wrapped


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status.

    Raises:
        UserError: for an unknown model, or an option that does not fit it, in one line.
    """
    arguments = make_parser().parse_args(argv)
    words = [word.strip() for word in arguments.columns.split(",")]
    columns = chosen(words)
    asked = {name: getattr(arguments, name) for name in ("batch_size", "depth", "by", "compiled")}
    found = summary(arguments.model, **asked, **net_options(arguments))
    write_json(arguments.json, found.as_dict())
    if arguments.csv:
        _write_csv(arguments.csv, found)
    size = "x".join(map(str, found.image_shape))
    print(f"{found.name}, one image of {size}, in evaluation\n")
    header = [column.header for column in columns]
    right = [column.number for column in columns]
    rows = found.rows(words)
    print_rows(header, rows, markdown=arguments.markdown, right=right, paths=True, chosen_by="--columns")
    print("\n" + "\n".join(map(wrapped, found.notes())))
    return 0


def _write_csv(path: Path, found: Summary) -> None:
    """Writes a line for each row, with exact numbers and the keys of the JSON."""
    rows = [layer.as_dict() for layer in found.layers]
    with writing(path), path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        for row in rows:
            writer.writerow({key: _cell(value) for key, value in row.items()})


def _cell(value: Any) -> Any:
    """Returns (28, 28, 64) as "28x28x64"."""
    return "x".join(map(str, value)) if isinstance(value, tuple) else value


def make_parser() -> CommandParser:
    """Returns the command line of the command."""
    parser = CommandParser(
        "jaxcnn summary",
        description="List the layers of a net: output, parameters, multiply-adds, and how much of the image each sees.",
        example="jaxcnn summary resnet50 --norm group --by stage --json resnet50.json",
    )
    add_net(parser)
    parser.add_argument(
        "--batch-size", metavar="N", type=int, default=1, help="images for which memory is estimated; default: 1"
    )
    parser.add_argument(
        "--compiled", action="store_true", help="compile a batch, and show XLA's memory beside the estimate"
    )
    parser.add_argument(
        "--depth", metavar="D", type=int, help="a row for each module at this depth; default: all layers"
    )
    parser.add_argument("--by", choices=BY, default="layer", help="what a row is; default: layer")
    parser.add_argument(
        "--columns",
        metavar="WORDS",
        default=",".join(DEFAULT),
        help=f"of {', '.join(COLUMNS)}; default: {','.join(DEFAULT)}",
    )
    add_json(parser, "write all numbers there")
    parser.add_argument("--csv", metavar="FILE", type=new_file, help="write all numbers there, a line for each row")
    parser.add_argument("--markdown", action="store_true", help="print the table in Markdown")
    return parser

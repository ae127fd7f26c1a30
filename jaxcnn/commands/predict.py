"""`jaxcnn predict RUN FILE...`: what images show."""

import csv
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.commands.json_option import add_json, write_json
from jaxcnn.commands.parser import CommandParser, new_file
from jaxcnn.errors import one_line, writing
from jaxcnn.evaluation.predict import TOP, predict
from jaxcnn.table import print_rows

_COLUMNS = ("path", "rank", "class", "index", "probability")
_DEVIATION = "std"
"""A further column of several nets."""


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status: 1 if none of the images could be read.

    Raises:
        UserError: for a run, image or option that cannot be used, in one line.
    """
    arguments = make_parser().parse_args(argv)
    runs = [arguments.run, *arguments.ensemble]
    found = predict(runs, arguments.images, top=arguments.top, step=arguments.checkpoint, class_names=arguments.classes)
    rows, columns = found["predictions"], _COLUMNS if found["nets"] == 1 else (*_COLUMNS, _DEVIATION)
    if arguments.csv:
        _write_csv(arguments.csv, columns, rows)
    write_json(arguments.json, found)
    print_rows(columns, map(_cells, rows), markdown=False)
    if found["nets"] > 1:
        print(f"\nprobability: the mean of {found['nets']} nets; {_DEVIATION}: their sample deviation")
    for each in found["unreadable"]:
        print(one_line(f"cannot be read: {each['path']}: {each['reason']}"), file=sys.stderr)
    return 0 if rows else 1


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes rows; bytes of names that are no UTF-8 are escaped."""
    with writing(path), path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    numbers = (f"{row[name]:.4f}" for name in ("probability", _DEVIATION) if name in row)
    return row["path"], str(row["rank"]), row["class"], str(row["index"]), *numbers


def make_parser() -> CommandParser:
    """Returns the command line of the command."""
    parser = CommandParser(
        "jaxcnn predict",
        description="Say what images show, by a trained net.",
        example="jaxcnn predict runs/ants photo.jpg more_photos --top 3 --csv predictions.csv",
    )
    parser.add_subject()
    parser.add_argument(
        "images", metavar="FILE|FOLDER|-", nargs="+", help="images; -: an image, or paths, from standard input"
    )
    parser.add_argument("--top", metavar="N", type=int, default=TOP, help=f"classes for each image, default {TOP}")
    parser.add_ensemble()
    parser.add_argument("--csv", metavar="FILE", type=new_file, help="write the rows there")
    add_json(parser, "write the rows there, and what could not be read")
    return parser

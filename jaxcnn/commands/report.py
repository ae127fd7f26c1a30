"""`jaxcnn report RUN [RUN ...]`: a page about runs, or about imported weights."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.commands.json_option import add_json, write_json
from jaxcnn.commands.parser import CommandParser, new_file
from jaxcnn.reporting.report import report


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status.

    Raises:
        UserError: for a folder that holds neither a run nor weights, or an option that cannot be used, in one line.
    """
    arguments = make_parser().parse_args(argv)
    found = report(
        arguments.runs,
        arguments.output,
        split=arguments.split,
        data=arguments.data,
        data_dir=arguments.data_dir,
        class_names=arguments.classes,
    )
    write_json(arguments.json, found)
    for run in found["runs"]:
        print(f"{run['run']}: {run['state']}; {_told(run)}")
    print(f"{found['bytes'] / 1e6:.1f} MB are in {found['output']}")
    return 0


def _told(run: Mapping[str, Any]) -> str:
    """Returns how good a run is, or why that is not known."""
    if (scores := run["scores"]) is None:
        return f"no scores: {run['reason']}"
    on = f"{run['data']} {run['split']}" if "data" in run else run["split"]
    return f"{scores['accuracy']:.2%} of {scores['examples']:,} {on} examples are right"


def make_parser() -> CommandParser:
    """Returns the command line of the command."""
    parser = CommandParser(
        "jaxcnn report",
        description="Write a page about runs, or imported weights: curves, scores, mistakes, what differs.",
        example="jaxcnn report runs/digits runs/group --output report.html",
    )
    parser.add_runs(weights=True)
    parser.add_argument(
        "--output", metavar="FILE", type=new_file, default=Path("report.html"), help="default: report.html"
    )
    parser.add_argument(
        "--split",
        choices=("train", "val", "test"),
        help="that scores are of; else test of a finished run or weights, val of others",
    )
    parser.add_argument("--data", metavar="NAME", help="for weights: the data set to score them on")
    parser.add_argument("--data-dir", metavar="DIR", help="where the data lie; for weights alone: a folder of images")
    parser.add_argument(
        "--classes", metavar="FILE", type=Path, help="for weights: names of the outputs, a line each, or JSON"
    )
    add_json(parser, "write the scores and what differs there")
    return parser

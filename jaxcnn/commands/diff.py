"""`jaxcnn diff A B`: what differs between two nets, or between two runs."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.commands.json_option import add_json, write_json
from jaxcnn.commands.net_options import WHAT, add_net_options, net_options
from jaxcnn.commands.parser import CommandParser, new_file
from jaxcnn.comparing import words
from jaxcnn.comparing.diff import MOST, diff
from jaxcnn.comparing.nets import Nets
from jaxcnn.comparing.paired import Comparison
from jaxcnn.comparing.runs import SPLITS, Runs
from jaxcnn.errors import writing
from jaxcnn.inside.opened import NetOptions
from jaxcnn.inside.summary import summary
from jaxcnn.table import print_rows

_FEW = 30
"""Layers that differ between the nets of two runs up to which they are listed."""


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status.

    Raises:
        UserError: for an unknown model, runs on other data, or an option that does not fit, in one line.
    """
    arguments = make_parser().parse_args(argv)
    both = net_options(arguments)
    one, two = (
        _changed(name, arguments.depth, both, dict(own))
        for name, own in ((arguments.a, arguments.first), (arguments.b, arguments.second))
    )
    page = {"output": arguments.output, "most": arguments.most}
    found = diff(one, two, split=arguments.split, depth=arguments.depth, **page, **both)
    write_json(arguments.json, found.as_dict())
    if arguments.csv:
        _write_csv(arguments.csv, found)
    if isinstance(found, Nets):
        _print_nets(found, markdown=arguments.markdown)
    else:
        _print_runs(found, arguments.most, arguments.depth, markdown=arguments.markdown)
    return 0


def _changed(name: str, depth: int | None, both: NetOptions, own: Mapping[str, Any]) -> Any:
    """Returns what is compared: a net that has settings of its own, or else its name."""
    if not own:
        return name
    options = {key: value for key, value in own.items() if key in NetOptions.__annotations__}
    fields = {key: value for key, value in own.items() if key not in options}
    merged: Any = {**both, **options, "fields": {**(both["fields"] or {}), **fields}}
    return summary(name, depth=depth, **merged)


def _print_nets(found: Nets, *, markdown: bool) -> None:
    names = found.names()
    print_rows(("", *names, ""), found.totals(), markdown=markdown, right=[False, True, True, True])
    print()
    if rows := found.rows():
        print_rows(("layer", *names), rows, markdown=markdown, paths=True)
    else:
        print("all layers are the same")


def _print_runs(found: Runs, most: int, depth: int | None, *, markdown: bool) -> None:
    print(f"{found.names[0]} and {found.names[1]}\n")
    if rows := words.settings(found):
        print_rows(("setting", *found.labels), rows, markdown=markdown)
    else:
        print("all settings are the same")
    print()
    if found.nets is None:
        print(f"the nets are not compared: {found.no_nets}" if found.no_nets else "the nets are the same")
    elif depth is None and len(found.nets.rows()) > _FEW:
        header = ("", *found.labels, "")
        print_rows(header, found.nets.totals(), markdown=markdown, right=[False, True, True, True])
        print(f"\n{len(found.nets.rows())} layers differ: --depth 1 lists the modules")
    else:
        _print_nets(found.nets, markdown=markdown)
    print()
    if found.comparison is None:
        print(f"the predictions are not compared: {found.no_comparison}")
    else:
        _print_comparison(found, found.comparison, most, markdown=markdown)


def _print_comparison(runs: Runs, found: Comparison, most: int, *, markdown: bool) -> None:
    header = words.accuracy_header(runs)
    right = [False, *(True for _ in header[1:])]
    print_rows(header, words.accuracies(found), markdown=markdown, right=right)
    print("\n" + "\n".join(words.notes(runs, found)) + "\n")
    header = ("class", "n", *runs.labels, "difference")
    print_rows(header, words.classes(found), markdown=markdown, right=[False, True, True, True, True])
    for number, label in enumerate(runs.labels):
        if rows := words.images(found, number, most):
            print(f"\n{words.only(found, number, label)}:")
            print_rows(("image", "true", *runs.labels), rows, markdown=markdown)


def _write_csv(path: Path, found: Nets | Runs) -> None:
    """Writes a line for each layer that differs, or of two runs for each image that only one gets."""
    with writing(path), path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(_lines(found))


def _lines(found: Nets | Runs) -> list[tuple[Any, ...]]:
    if isinstance(found, Nets):
        return [("layer", *found.names()), *found.rows()]
    header = ("index", "file", "label", "right_first", "right_second", "predicted_first", "predicted_second")
    images = found.comparison.images if found.comparison else ()
    return [header, *((each.index, each.file or "", each.label, *each.right, *each.predicted) for each in images)]


def make_parser() -> CommandParser:
    """Returns the command line of the command."""
    parser = CommandParser(
        "jaxcnn diff",
        description="Say what differs between two nets: layers, parameters, operations, receptive fields. Or between "
        "two runs: settings, nets, accuracy on the same examples, and the images that only one gets.",
        example="jaxcnn diff resnet50 resnext50_32x4d --depth 1\n  jaxcnn diff resnet20 resnet20 --second norm=group\n"
        "  jaxcnn diff runs/batch runs/group --output diff.html",
    )
    parser.add_argument("a", metavar="A", help=WHAT)
    parser.add_argument("b", metavar="B", help="another")
    parser.add_argument("--depth", metavar="D", type=int, help="a row for each module at this depth; else each layer")
    add_net_options(parser)
    parser.add_fields("--first", "a setting or field of A alone, as norm=batch; may be repeated")
    parser.add_fields("--second", "a setting or field of B alone, as norm=group; may be repeated")
    parser.add_argument("--split", choices=SPLITS, help="of two runs: test if both are finished, else val")
    parser.add_argument(
        "--most",
        metavar="N",
        type=int,
        default=MOST,
        help=f"images of each run that are shown; default: {MOST}",
    )
    parser.add_argument("--output", metavar="FILE", type=new_file, help="write a page about two runs there")
    add_json(parser, "write all numbers there")
    parser.add_argument(
        "--csv", metavar="FILE", type=new_file, help="write a line for each layer that differs, or image that one gets"
    )
    parser.add_argument("--markdown", action="store_true", help="print the tables in Markdown")
    return parser

"""`jaxcnn evaluate RUN`: how good a net is, and where it fails."""

from collections.abc import Sequence
from typing import Any

from jaxcnn.commands.data_options import add_data
from jaxcnn.commands.json_option import add_json, write_json
from jaxcnn.commands.parser import CommandParser, new_file
from jaxcnn.evaluation.evaluate import evaluate
from jaxcnn.evaluation.words import MOST_CLASSES, at_step, confused, measures, share
from jaxcnn.table import print_rows

_PAIRS = 10
_LISTED = 5
"""Mistakes that are printed."""


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status.

    Raises:
        UserError: for a run, data or option that cannot be used, in one line.
    """
    arguments = make_parser().parse_args(argv)
    found = evaluate(
        [arguments.run, *arguments.ensemble],
        split=arguments.split,
        data=arguments.data,
        data_dir=arguments.data_dir,
        views=arguments.views,
        step=arguments.checkpoint,
        temperature=arguments.temperature,
        class_names=arguments.classes,
        save_logits=arguments.save_logits,
    )
    write_json(arguments.json, found)
    _print(found)
    return 0


def _print(found: dict[str, Any]) -> None:
    at = at_step(found["step"], found["states"])
    views = f", views {found['views']}" if found["views"] else ""
    with_others = f", with {', '.join(found['ensemble'])}" if "ensemble" in found else ""
    print(f"{found['run']}{at}{with_others}, on {found['data']}, {found['split']}: {found['examples']:,} examples")
    print(f"image: {found['image']}{views}")
    if found["unreadable"]:
        print(f"left out, since they cannot be read: {len(found['unreadable'])}, {found['unreadable'][0]} the first")
    print()
    print_rows(("", ""), measures(found), markdown=False)
    print()
    print_rows(("class", "n", "precision", "recall"), _classes(found["per_class"]), markdown=False)
    print()
    _print_confusion(found)
    _print_mistakes(found["mistakes"])


def _classes(rows: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    return [(row["class"], f"{row['n']:,}", share(row["precision"]), share(row["recall"])) for row in rows]


def _print_confusion(found: dict[str, Any]) -> None:
    counts, names = found["confusion"], [row["class"] for row in found["per_class"]]
    if len(names) <= MOST_CLASSES:
        print("confusion, rows are the truth:")
        rows = [(name, *(str(count or ".") for count in row)) for name, row in zip(names, counts, strict=True)]
        print_rows(("", *(_short(name) for name in names)), rows, markdown=False)
    else:
        print("confused most:")
        rows = [(true, guess, str(count)) for true, guess, count in confused(counts, names, _PAIRS)]
        print_rows(("true", "predicted", "examples"), rows, markdown=False)


def _print_mistakes(mistakes: Sequence[dict[str, Any]]) -> None:
    if not mistakes:
        return
    print("\nmost confident mistakes:")
    rows = [
        (row["file"] or f"image {row['index']}", row["label"], row["predicted"], share(row["probability"]))
        for row in mistakes[:_LISTED]
    ]
    print_rows(("image", "true", "predicted", "probability"), rows, markdown=False)


def _short(name: str) -> str:
    return name if len(name) <= 6 else name[:5] + "…"


def make_parser() -> CommandParser:
    """Returns the command line of the command."""
    parser = CommandParser(
        "jaxcnn evaluate",
        description="Say how good a net is, and where it fails.",
        example="jaxcnn evaluate runs/ants --data-dir new_photos --temperature --json scores.json",
    )
    parser.add_subject()
    parser.add_ensemble()
    add_data(parser)
    parser.add_argument("--views", metavar="VIEWS", help="as 'flip' or 'ten_crop(224)'; else the run's own")
    parser.add_argument("--temperature", action="store_true", help="fit one on validation; scores before and after")
    parser.add_argument("--save-logits", metavar="FILE", type=new_file, help="write the logits there, as .npz")
    add_json(parser, "write all numbers there")
    return parser

"""`python -m jaxcnn models [PATTERN] [--markdown]`: lists the models, their papers, sizes and costs."""

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from jaxcnn.analysis.trace import multiply_adds
from jaxcnn.commands.parser import CommandParser
from jaxcnn.errors import unknown_word
from jaxcnn.models import MODELS, create_model, list_models

HEADER = ("name", "year", "paper", "image", "parameters", "norm", "multiply-adds")


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status.

    Raises:
        UserError: for a wrong command line, or a pattern that no model matches, in one line.
    """
    arguments = _parser().parse_args(argv)
    names = list_models(arguments.pattern)
    if not names:
        raise unknown_word("model", arguments.pattern, MODELS)
    rows = map(_row, names)
    if arguments.markdown:
        _print_markdown(rows)
    else:
        _print_table(rows)
    return 0


def facts(name: str) -> tuple[str, ...]:
    """Returns the cells of a model's row but its operations."""
    variant = MODELS[name]
    norm = create_model(name, num_classes=variant.num_classes).norm
    parameters = "" if variant.parameters is None else f"{variant.parameters:,}"
    image = f"{variant.image_size}x{variant.image_size}x{variant.channels}"
    return name, str(variant.year), variant.paper, image, parameters, norm


def operations(name: str) -> str:
    """Returns the multiply-adds of one image at the model's own size, as "4,089.2 M"."""
    variant = MODELS[name]
    model = create_model(name, num_classes=variant.num_classes)
    count = multiply_adds(model, (variant.image_size, variant.image_size, variant.channels))
    return f"{count / 1e6:,.1f} M"


def _row(name: str) -> tuple[str, ...]:
    return *facts(name), operations(name)


def _print_table(rows: Iterable[tuple[str, ...]]) -> None:
    table = Table(*HEADER, box=None, header_style="bold", padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*row)
    Console(highlight=False, width=None if sys.stdout.isatty() else 160).print(table)


def _print_markdown(rows: Iterable[tuple[str, ...]]) -> None:
    print("| " + " | ".join(HEADER) + " |")
    print("|---" * len(HEADER) + "|")
    for row in rows:
        print("| " + " | ".join((f"`{row[0]}`", *row[1:])) + " |")


def _parser() -> CommandParser:
    parser = CommandParser("python -m jaxcnn models", description="List the models, their papers, sizes and costs.")
    parser.add_argument("pattern", metavar="PATTERN", nargs="?", default="*", help="as 'resnet*'; else all")
    parser.add_argument("--markdown", action="store_true", help="the table as docs/models.md shows it")
    return parser

"""`jaxcnn models [PATTERN] [--operations] [--markdown]`: lists the models, their papers and sizes."""

from collections.abc import Sequence

from jaxcnn.analysis.trace import multiply_adds
from jaxcnn.commands.parser import CommandParser
from jaxcnn.errors import unknown_word
from jaxcnn.models import MODELS, create_model, list_models
from jaxcnn.table import print_rows

HEADER = ("name", "year", "paper", "image", "parameters", "norm", "multiply-adds")


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status.

    Raises:
        UserError: for a wrong command line, or a pattern that no model matches, in one line.
    """
    arguments = make_parser().parse_args(argv)
    names = list_models(arguments.pattern)
    if not names:
        raise unknown_word("model", arguments.pattern, MODELS)
    if arguments.operations:
        print_rows(HEADER, ((*facts(name), operations(name)) for name in names), markdown=arguments.markdown)
    else:
        print_rows(HEADER[:-1], map(facts, names), markdown=arguments.markdown)
    return 0


def facts(name: str) -> tuple[str, ...]:
    """Returns the cells of a model's row, without its multiply-adds."""
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


def make_parser() -> CommandParser:
    """Returns the command line of the command."""
    parser = CommandParser("jaxcnn models", description="List the models, their papers and sizes.")
    parser.add_argument("pattern", metavar="PATTERN", nargs="?", default="*", help="as 'resnet*'; default: all")
    parser.add_argument(
        "--operations",
        action="store_true",
        help="also print multiply-adds for one image, counted by tracing, which takes a second or two for each model",
    )
    parser.add_argument("--markdown", action="store_true", help="print the table in Markdown")
    return parser

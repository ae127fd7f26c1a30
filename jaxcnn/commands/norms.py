"""`jaxcnn norms RUN`: what the norms of a trained net do, by depth, in training and in evaluation mode."""

from collections.abc import Sequence

from jaxcnn.commands.json_option import add_json, write_json
from jaxcnn.commands.parser import CommandParser, new_file
from jaxcnn.dynamics import norms_told as told
from jaxcnn.dynamics.figures import Norms
from jaxcnn.dynamics.norms import norms
from jaxcnn.dynamics.words import WORDS
from jaxcnn.errors import UserError
from jaxcnn.reporting.files import check_packages
from jaxcnn.table import print_rows


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status.

    Raises:
        UserError: for a run, data or option that cannot be used, in one line.
    """
    arguments = make_parser().parse_args(argv)
    if arguments.output:
        if arguments.output.suffix != ".html":
            raise UserError(f"--output is {arguments.output}: write a page, FILE.html")
        check_packages("a page")
    found = norms(
        arguments.run,
        arguments.norm.split(",") if arguments.norm else (),
        layer=arguments.layer,
        step=arguments.checkpoint,
        seed=arguments.seed,
        data=arguments.data,
        data_dir=arguments.data_dir,
    )
    write_json(arguments.json, found.as_dict())
    if arguments.output:
        from jaxcnn.dynamics.norms_page import write_norms  # it imports Bokeh

        write_norms(found, arguments.output)
    _print(found)
    if arguments.output:
        print(f"\n{arguments.output} has the page")
    return 0


def _print(found: Norms) -> None:
    for sentence in told.sentences(found):
        print(sentence)
    if found.accuracies:
        print("\naccuracy on the validation split, with the same weights")
        print_rows(told.ACCURACIES, told.accuracy_rows(found), markdown=False, right=(False, True, True))
    at = "" if found.rate is None else f"; rate x gradient / weights at the peak rate {found.rate:.4g}"
    print(f"\nmean ± deviation behind each layer{at}")
    right = (False, False, True, True, True, True, True)
    print_rows(told.LAYERS, told.layer_rows(found), markdown=False, right=right, paths=True)
    if found.words:
        print(f"\nwhat other norms make of the input of {found.layer}, {told.shape_of(found.shape)};")
        print("channels, examples: how far their means are apart behind the norm")
        print_rows(told.WORDS, told.word_rows(found), markdown=False, right=(False, True, True, True, True, True))


def make_parser() -> CommandParser:
    """Returns the command line of the command."""
    parser = CommandParser(
        "jaxcnn norms",
        description="Show what the norms of a trained net do: values by depth in both modes, statistics, step sizes.",
        example="jaxcnn norms runs/cifar10 --norm batch,group --output norms.html",
    )
    parser.add_subject(classes=False)
    parser.add_argument(
        "--norm",
        metavar="NORM",
        help=f"what it would make of the same values; several: batch,group; else {', '.join(WORDS)}",
    )
    parser.add_argument("--layer", metavar="NAME", help="path of the norm whose input these values are; else the first")
    parser.add_argument("--seed", metavar="N", type=int, help="of the net, of a run of several seeds; else the first")
    parser.add_argument("--data", metavar="NAME", help="a data set or a folder of images; else the run's own")
    parser.add_argument("--data-dir", metavar="DIR", help="where the data lie now, if not where they were")
    parser.add_argument("--output", metavar="FILE", type=new_file, help="a page, FILE.html")
    add_json(parser, "write all figures there")
    return parser

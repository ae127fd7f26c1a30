"""`jaxcnn walk RUN [RUN] PHOTO`: a page that walks through a net, step by step."""

from collections.abc import Sequence
from pathlib import Path

from jaxcnn.commands.data_options import add_data, image_or_number
from jaxcnn.commands.json_option import add_json, write_json
from jaxcnn.commands.parser import CommandParser, new_file
from jaxcnn.inside.summary import BY
from jaxcnn.walkthrough.walkthrough import walk


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status.

    Raises:
        UserError: for a run, a photo or an option that cannot be used, in one line.
    """
    arguments = make_parser().parse_args(argv)
    found = walk(
        arguments.runs,
        arguments.photo,
        arguments.output,
        depth=arguments.depth,
        by=arguments.by,
        step=arguments.checkpoint,
        seed=arguments.seed,
        class_names=arguments.classes,
        split=arguments.split,
        data=arguments.data,
        data_dir=arguments.data_dir,
    )
    write_json(arguments.json, found)
    for run in found["runs"]:
        print(f"{run['run']}: {run['class']}, {run['share']:.1%}")
    steps = len(found["steps"]) + 1  # the last one of the page is the classes
    print(f"{steps} steps, {found['bytes'] / 1e6:.1f} MB, are in {found['output']}")
    return 0


def make_parser() -> CommandParser:
    """Returns the command line of the command."""
    parser = CommandParser(
        "jaxcnn walk",
        description="Write a page that walks through a net as it sees a photo: maps, arithmetic, fields, norms.",
        example="jaxcnn walk runs/batch runs/group photo.jpg --output walk.html",
    )
    parser.add_subjects()
    parser.add_argument(
        "photo", metavar="PHOTO", type=image_or_number, help="an image file, or the number of an image of the split"
    )
    parser.add_argument("--output", metavar="FILE", type=new_file, default=Path("walk.html"), help="default: walk.html")
    parser.add_argument("--depth", metavar="D", type=int, help="a step for each module at this depth")
    parser.add_argument("--by", choices=BY, help="what a step is; default: the finest that gives at most 48 steps")
    parser.add_argument("--seed", metavar="N", type=int, help="which net of a run of several seeds; default: the first")
    add_data(parser)
    add_json(parser, "write the steps and the classes there")
    return parser

"""`jaxcnn diff A B`: what differs between two nets."""

from collections.abc import Sequence

from jaxcnn.commands.json_option import add_json, write_json
from jaxcnn.commands.parser import CommandParser
from jaxcnn.compare.nets import diff
from jaxcnn.table import print_rows


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status.

    Raises:
        UserError: for an unknown model, or an option that does not fit, in one line.
    """
    arguments = make_parser().parse_args(argv)
    depth, size, classes = arguments.depth, arguments.image_size, arguments.num_classes
    found = diff(arguments.first, arguments.second, depth=depth, image_size=size, num_classes=classes)
    names = found.first.name, found.second.name
    right = [False, True, True, True]
    print_rows(("", *names, ""), found.totals(), markdown=arguments.markdown, right=right)
    print()
    if rows := found.rows():
        print_rows(("layer", *names), rows, markdown=arguments.markdown, paths=True)
    else:
        print("all layers are the same")
    write_json(arguments.json, found.as_dict())
    return 0


def make_parser() -> CommandParser:
    """Returns the command line of the command."""
    parser = CommandParser(
        "jaxcnn diff",
        description="Say what differs between two nets: layers, parameters, operations, receptive fields.",
        example="jaxcnn diff resnet50 resnext50_32x4d --depth 1",
    )
    parser.add_argument("first", metavar="A", help="a model, a run folder, or package.module:Net")
    parser.add_argument("second", metavar="B", help="another")
    parser.add_argument("--depth", metavar="D", type=int, help="a row for each module at this depth; else each layer")
    parser.add_argument("--image-size", metavar="N", type=int, help="in pixels; default: each net's own")
    parser.add_argument("--num-classes", metavar="N", type=int, help="of models; default: the papers'")
    add_json(parser, "write all numbers there")
    parser.add_argument("--markdown", action="store_true", help="print the tables in Markdown")
    return parser

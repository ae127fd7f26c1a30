"""`jaxcnn explain MODEL [LAYER]`: where a net comes from, the arithmetic of its layers; exercises, examples."""

import argparse
from collections.abc import Sequence

from jaxcnn.commands.net_options import add_net, net_options
from jaxcnn.commands.parser import CommandParser
from jaxcnn.errors import UserError
from jaxcnn.inside.explain import exercises, explain
from jaxcnn.inside.summary import summary
from jaxcnn.inside.worked import worked_convolution
from jaxcnn.ops.window import pair

_SLIDE = {"kernel": 3, "stride": 1, "padding": 0, "dilation": 1}
"""Options of --conv, and their defaults."""


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status.

    Raises:
        UserError: for an unknown model or layer, or an option that does not fit, in one line.
    """
    arguments = make_parser().parse_args(argv)
    if arguments.conv:
        if arguments.model:
            raise UserError(f"--conv works an example without a net: leave out {arguments.model}")
        given = {name: getattr(arguments, name) for name in (*_SLIDE, "seed")}
        print(worked_convolution(*arguments.conv, **{key: value for key, value in given.items() if value is not None}))
        return 0
    if not arguments.model:
        raise UserError("name a model, as resnet50, or an example, as --conv 7x7 --kernel 3 --stride 2 --padding 1")
    for name in _SLIDE:
        if getattr(arguments, name) is not None:
            raise UserError(f"--{name} is of an example, as --conv 7x7: {arguments.model} has its own")
    net = net_options(arguments)
    if arguments.quiz is not None:
        print(exercises(summary(arguments.model, **net), arguments.quiz, seed=arguments.seed or 0))
    elif arguments.seed is not None:
        raise UserError("--seed chooses exercises or an example: it needs --quiz or --conv")
    else:
        print(explain(arguments.model, arguments.layer, **net))
    return 0


def make_parser() -> CommandParser:
    """Returns the command line of the command."""
    parser = CommandParser(
        "jaxcnn explain",
        description="Explain a net: paper, what was new, the arithmetic of each layer. Or make exercises of it.",
        example="jaxcnn explain resnet50 stage2_block1\n  jaxcnn explain vgg16 --quiz 10 > exercises.md\n"
        "  jaxcnn explain --conv 7x7 --kernel 3 --stride 2 --padding 1\n"
        "  jaxcnn explain --conv 5x9 --kernel 1x7",
    )
    add_net(parser, needed=False)
    parser.add_argument("layer", metavar="LAYER", nargs="?", help="a layer, or a module with layers; default: all")
    parser.add_argument("--quiz", metavar="N", type=int, help="print N exercises and their answers, in Markdown")
    parser.add_argument("--seed", metavar="N", type=int, help="of the exercises or the example; default: 0")
    parser.add_argument("--conv", metavar="HxW", type=_size, help="work a convolution of an image of this size by hand")
    for name, default in _SLIDE.items():
        parser.add_argument(f"--{name}", metavar="N|HxW", type=_size, help=f"of --conv; default: {default}")
    return parser


def _size(text: str) -> tuple[int, int]:
    parts = [int(part) for part in text.split("x")]
    if len(parts) not in (1, 2):
        raise argparse.ArgumentTypeError("write one number, or one down and one across, as 1x7")
    return pair(parts[0] if len(parts) == 1 else parts)


_size.__name__ = "HxW"  # for argparse's error message

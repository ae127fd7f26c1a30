"""The options of commands that change a net that is named."""

from typing import Any

from jaxcnn.commands.parser import CommandParser
from jaxcnn.inside.opened import NetOptions
from jaxcnn.models.registry import STEMS

WHAT = "a model, a run folder, or package.module:Net"


def add_net(parser: CommandParser, *, needed: bool = True) -> None:
    """Adds MODEL, which may be `needed`, and the options that make a net of it."""
    parser.add_argument("model", metavar="MODEL", nargs=None if needed else "?", help=WHAT)
    add_net_options(parser)


def add_net_options(parser: CommandParser) -> None:
    """Adds the options that change a net."""
    parser.add_argument("--norm", metavar="NORM", help="in place of the paper's: batch, layer, group, none, ...")
    parser.add_argument("--act", metavar="ACT", help="in place of the paper's: relu, gelu, ...")
    parser.add_argument("--stem", choices=STEMS, help="imagenet, or small for images of 28 to 64 px")
    parser.add_argument("--num-classes", metavar="N", type=int, help="default: the paper's")
    parser.add_argument("--image-size", metavar="N", type=int, help="height and width in pixels; default: the paper's")
    parser.add_argument("--channels", metavar="N", type=int, help="of the image; default: the paper's")
    parser.add_fields()


def net_options(arguments: Any) -> NetOptions:
    """Returns what the options say."""
    return NetOptions(
        norm=arguments.norm,
        act=arguments.act,
        stem=arguments.stem,
        num_classes=arguments.num_classes,
        image_size=arguments.image_size,
        channels=arguments.channels,
        fields=dict(arguments.field),
    )

"""`jaxcnn features RUN [DATA] --output F.npz`: writes the output of a layer for every image of a data set."""

import sys
from collections.abc import Sequence

from jaxcnn.commands.json_option import add_json, write_json
from jaxcnn.commands.parser import CommandParser, new_file
from jaxcnn.evaluation.features import LAYER, features


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status.

    Raises:
        UserError: for a run, data or option that cannot be used, in one line.
    """
    arguments = make_parser().parse_args(argv)
    found = features(
        arguments.run,
        arguments.data,
        data_dir=arguments.data_dir,
        layer=arguments.layer,
        step=arguments.checkpoint,
    )
    found.save(arguments.output)
    width = found.features["train"].shape[1]
    told = {
        "output": str(arguments.output),
        "layer": found.layer,
        "features": width,
        "net_seed": found.net_seed,
        "examples": {split: len(each) for split, each in found.features.items()},
        "unreadable": list(found.unreadable),
    }
    write_json(arguments.json, told)
    counts = ", ".join(f"{split} {len(each):,}" for split, each in found.features.items())
    print(f"{arguments.output}: {width:,} features of layer {found.layer} for each image: {counts}")
    tell_net(found.net_seed)
    for name in found.unreadable:
        print(f"cannot be read: {name}", file=sys.stderr)
    return 0


def tell_net(seed: int | None) -> None:
    """Says which net of a run of several seeds was taken; nothing if the run has one."""
    if seed is not None:
        print(f"of the nets of several seeds, the first was taken, that of seed {seed}")


def make_parser() -> CommandParser:
    """Returns the command line of the command."""
    parser = CommandParser(
        "jaxcnn features",
        description="Write the output of a layer for every image of a data set.",
        example="jaxcnn features runs/cifar10 fashion_mnist --layer stage3 --output features.npz",
    )
    add_data(parser)
    parser.add_argument("--output", metavar="FILE", type=new_file, required=True, help="where to write, as .npz")
    add_json(parser, "write there what the file holds")
    return parser


def add_data(parser: CommandParser) -> None:
    """Adds RUN, and which layer is read for which images."""
    parser.add_subject(classes=False)
    parser.add_argument("data", metavar="DATA", nargs="?", help="a data set or a folder of images; else the run's own")
    parser.add_argument("--data-dir", metavar="DIR", help="where the data set lies, if not in the default place")
    parser.add_argument("--layer", metavar="NAME", default=LAYER, help=f"a stage output, as stage3; default {LAYER}")

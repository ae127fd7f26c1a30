"""`jaxcnn visualize RUN [RUN ...] --image F...`: what trained nets have learnt, and where in images they look."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxcnn.commands.data_options import add_data, image_or_number
from jaxcnn.commands.json_option import add_json, write_json
from jaxcnn.commands.parser import CommandParser, new_file
from jaxcnn.pictures.task import WHAT
from jaxcnn.pictures.visualize import DEFAULT, visualize
from jaxcnn.table import print_rows

_COLUMNS = ("image", "net", "class", "probability", "method", "scale", "rank correlation")


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status.

    Raises:
        UserError: for a run, image or option that cannot be used, in one line.
    """
    arguments = make_parser().parse_args(argv)
    found = visualize(
        arguments.runs,
        arguments.image,
        what=arguments.what if arguments.what is not None else () if arguments.field else DEFAULT,
        output=arguments.output,
        layer=arguments.layer,
        class_name=arguments.class_name,
        field=arguments.field,
        units=arguments.unit,
        split=arguments.split,
        data=arguments.data,
        data_dir=arguments.data_dir,
        step=arguments.checkpoint,
        class_names=arguments.classes,
        seed=arguments.seed,
    )
    write_json(arguments.json, found)
    if found["maps"]:
        print_rows(_COLUMNS, map(_cells, found["maps"]), markdown=False)
        print()
    for row in found.get("field", ()):
        size = "the whole image" if row["field"] is None else f"{row['field'][0]} x {row['field'][1]} pixels"
        before, after = (f"{side} x {side}" for side in (row["side_before"], row["side_after"]))
        print(f"{row['net']}, {row['image']}: the middle cell of {row['layer']} sees {size}")
        print(f"  95 % of its squared gradient lies in {before} with new weights, in {after} after training")
    for note in found["notes"]:
        print(note)
    print(f"{found['bytes'] / 1000:,.0f} kB are in {found['output']}")
    return 0


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    correlation = "-" if row["rank_correlation"] is None else f"{row['rank_correlation']:.2f}"
    method = f"{row['method']}, {row['layer']}" if row["layer"] else row["method"]
    scale = "{:.3g} to {:.3g}".format(*row["scale"]) if row["evidence"] else "no positive evidence"
    return row["image"], row["net"], row["class"], f"{row['probability']:.2%}", method, scale, correlation


def make_parser() -> CommandParser:
    """Returns the command line of the command."""
    parser = CommandParser(
        "jaxcnn visualize",
        description="Draw what trained nets have learnt, and where in images they look, beside nets with new weights.",
        example="jaxcnn visualize runs/cifar10 --image cat.png --what gradcam,occlusion --class cat --output cat.png",
    )
    parser.add_subjects()
    parser.add_argument(
        "--image",
        metavar="F",
        type=image_or_number,
        nargs="+",
        help="files, or numbers of images of the split; default: four",
    )
    parser.add_argument("--what", metavar="WORDS", help=f"of {', '.join(WHAT)}; default: {','.join(DEFAULT)}")
    parser.add_argument(
        "--output", metavar="FILE", type=new_file, default=Path("visualize.png"), help=".png or .html; visualize.png"
    )
    parser.add_argument("--layer", metavar="NAME", help="as stage3; default: the last with a map")
    parser.add_argument(
        "--class", metavar="NAME", dest="class_name", help="name or number; true: the label; default: the prediction"
    )
    parser.add_argument("--field", metavar="NAME", help="draw the receptive field of this layer over what is measured")
    parser.add_argument("--unit", metavar="N", type=int, nargs="+", help="channels, for units; else six that stand out")
    add_data(parser)
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="of the new weights; default: 0")
    add_json(parser, "write classes, scales and correlations there")
    return parser

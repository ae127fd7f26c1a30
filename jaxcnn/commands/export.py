"""`jaxcnn export RUN --format FORMAT --output FILE`: a trained net in a file that other programs read."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxcnn.commands.json_option import add_json, write_json
from jaxcnn.commands.parser import CommandParser, new_file
from jaxcnn.exporting.check import BATCHES, LIMIT
from jaxcnn.exporting.export import FORMATS, export
from jaxcnn.exporting.exportable import INPUTS


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status.

    Raises:
        UserError: for a run, file or option that cannot be used, in one line.
        Fault: if what was written computes anything but the net.
    """
    arguments = make_parser().parse_args(argv)
    card = export(
        arguments.run,
        arguments.output,
        format=arguments.format,
        input=arguments.input,
        fold=arguments.fold,
        seed=arguments.seed,
        step=arguments.checkpoint,
        class_names=arguments.classes,
    )
    write_json(arguments.json, card)
    _print(card)
    return 0


def _print(card: dict[str, Any]) -> None:
    source, checked = card["source"], card["check"]
    at = f", step {source['step']:,}" if "step" in source else ""
    print(f"{source['folder']}{at}: {card['model'] or card['module']}, {card['num_classes']:,} classes")
    if "input" in card:
        taken = card["input"]
        print(
            f"image: {taken['dtype']} ({', '.join(map(str, taken['shape']))}), {taken['axes']}; whitening "
            f"{taken['whitening']}"
        )
        print(f"outputs: logits; probabilities, {card['probabilities']}; batch norms: {card['batch_norms']}")
    if "torch" in card:
        print(f"names of {card['torch']}, which loads it with strict=True")
    for remark in card.get("remarks", ()):
        print(remark)
    if "views" in source:
        print(f"evaluation averages over views, {source['views']}; the file shows the net one image")
    batches = f"{', '.join(map(str, BATCHES[:-1]))} and {BATCHES[-1]}"
    print(
        f"checked on images of {checked['images']} in batches of {batches}: largest error "
        f"{checked['largest_error']:.1e}, at most {LIMIT:.0e}"
    )
    for name, promise in card.get("readable", {}).items():
        print(f"{name} is for {promise}")
    for path in card["files"]:
        size = Path(path).stat().st_size
        print(f"{path}, {size:,} bytes")


def make_parser() -> CommandParser:
    """Returns the command line of the command."""
    formats = "; ".join(f"{name}: {each.about}" for name, each in FORMATS.items())
    parser = CommandParser(
        "jaxcnn export",
        description="Write a trained net to a file that other programs read, and check that it is the same net.",
        example="jaxcnn export runs/ants --format stablehlo --output ants.stablehlo",
    )
    parser.add_subject()
    parser.add_argument("--format", choices=tuple(FORMATS), required=True, help=formats)
    parser.add_argument(
        "--output", metavar="FILE", type=new_file, required=True, help="what to write; FILE.json says what it takes"
    )
    parser.add_argument(
        "--input", choices=INPUTS, help="what a program is given: images as decoded (the default), or whitened ones"
    )
    parser.add_argument("--no-fold", dest="fold", action="store_false", help="keep batch norms of programs apart")
    parser.add_argument("--seed", metavar="N", type=int, help="which net of a run of several seeds")
    add_json(parser, "write the card there, too")
    return parser

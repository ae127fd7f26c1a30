"""`jaxcnn import-weights MODEL FILE --output DIR`: converts weights of a reference implementation, or exported ones.

FILE may be a name on the Hugging Face Hub, or a folder of the same layout. MODEL may be a module of a user's own: then
the names in FILE are its paths.
"""

import argparse
import contextlib
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.commands.json_option import add_json, write_json
from jaxcnn.commands.parser import CommandParser, new_file, path_type
from jaxcnn.data.feed.preparation import Preparation
from jaxcnn.errors import UserError, writing
from jaxcnn.evaluation.waiting import waiting
from jaxcnn.interop.importing import Found, read_told
from jaxcnn.interop.own_file import load_own, own_card
from jaxcnn.interop.own_module import Asked, read_module
from jaxcnn.interop.preprocessing import check_statistics, given_over, read_class_names
from jaxcnn.interop.published.hub import HubName, hub_name
from jaxcnn.interop.state_dict import READABLE
from jaxcnn.interop.told import told_of
from jaxcnn.interop.torch import WrongWeightsError
from jaxcnn.interop.weights import check_unused, read_card, save_variables
from jaxcnn.layers.variables import parameter_count
from jaxcnn.models import model_variant
from jaxcnn.types import Variables

LINES = 10
"""Largest number of lines of a list of errors."""


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status.

    Raises:
        UserError: for a wrong command line, file or folder. Before it is raised, wrong entries of a file are listed on
            standard error, by layer.
    """
    arguments = make_parser().parse_args(argv)
    if ":" in arguments.model:
        return _import_module(arguments)
    if (arguments.image_size, arguments.channels) != (None, None):
        raise UserError(
            f"--image-size and --channels are for a module of your own: those of {arguments.model} are known"
        )
    if isinstance(arguments.file, Path) and (card := own_card(arguments.file)) is not None:
        return _keep_own(arguments, card)
    check_unused(arguments.output)
    told = told_of(arguments.file, arguments.model)
    fields = told.fields_with(arguments.model, _fields(arguments))
    variant = model_variant(arguments.model)
    statistics = check_statistics(arguments.mean, arguments.std, variant.channels)
    num_classes = fields.get("num_classes", variant.num_classes)
    class_names = read_class_names(arguments.classes, num_classes) if arguments.classes else None
    for remark in told.remarks:
        print(remark)
    with _explained(arguments.report), _reading(told.file) as saving:
        found = read_told(
            told, arguments.model, fields, key=arguments.key, class_names=class_names, statistics=statistics
        )
        saving()
        folder = found.save(arguments.output)
    return _kept(arguments, folder, found.imported.variables, _remarks(found), told.remarks)


def _import_module(arguments: argparse.Namespace) -> int:
    """Imports the weights of a module of a user's own."""
    if not isinstance(arguments.file, Path):
        raise UserError(f"{arguments.file} has nets that timm describes: a module of your own takes a file")
    if arguments.key:
        raise UserError("--key is of state dicts: the arrays of a module of your own are not wrapped")
    check_unused(arguments.output)
    given = Asked(
        fields=_fields(arguments),
        image_size=arguments.image_size,
        channels=arguments.channels,
        classes=arguments.classes,
        mean=arguments.mean,
        std=arguments.std,
    )
    with _explained(arguments.report), _reading(arguments.file) as saving:
        found = read_module(arguments.model, arguments.file, given)
        saving()
        folder = found.save(arguments.output)
    return _kept(arguments, folder, found.imported.variables, _remarks(found))


def _fields(arguments: argparse.Namespace) -> dict[str, Any]:
    """Returns the fields of the net that the command line sets."""
    width = {} if arguments.num_classes is None else {"num_classes": arguments.num_classes}
    return {**dict(arguments.field), **width}


@contextlib.contextmanager
def _reading(file: Path) -> Iterator[Callable[[], None]]:
    """Shows a bar while weights are read, and then, from the call of what it gives, while they are written."""
    with waiting(f"reading and checking {file.name}", 2, alike=False) as reached:
        yield lambda: reached(1, "writing")


def _remarks(found: Found) -> list[str]:
    """Returns what was decided about weights."""
    inert = [f"ignored, and not executed: {found.inert}"] if found.inert else []
    return [*found.imported.remarks, *inert, *_assumed(found.known)]


@contextlib.contextmanager
def _explained(report: Path | None) -> Iterator[None]:
    """Makes one line of what is wrong with weights, after a list by layer, and writes all of it to a report."""
    try:
        yield
    except WrongWeightsError as error:
        _complain(error, report)
        advice = f"; they fit exactly: {error.advice.options()}" if error.advice else ""
        few = sum(map(len, error.entries.values())) <= LINES
        raise UserError(error.line(LINES if few else 0) + advice) from None


def _keep_own(arguments: argparse.Namespace, card: Mapping[str, Any]) -> int:
    """Keeps the weights of a file that `jaxcnn export` wrote, which says itself what they are of."""
    file, size, channels = arguments.file, card["image_size"], card["channels"]
    if arguments.model != card["model"]:
        raise UserError(f"{file} has the weights of {card['model'] or card['module']}, not of {arguments.model}")
    if arguments.field or arguments.num_classes is not None or arguments.key:
        raise UserError(f"{file} says itself what its weights are of: leave --field, --num-classes and --key out")
    class_names = read_class_names(arguments.classes, card["num_classes"]) if arguments.classes else None
    known = given_over(card, class_names, check_statistics(arguments.mean, arguments.std, channels))
    check_unused(arguments.output)
    with _reading(file) as saving:
        variables = load_own(file, card)
        saving()
        folder = save_variables(
            arguments.output,
            arguments.model,
            variables,
            source=file,
            known=known,
            image_shape=(size, size, channels),
            num_classes=card["num_classes"],
            **card["fields"],
        )
    return _kept(arguments, folder, variables)


def _kept(
    arguments: argparse.Namespace,
    folder: Path,
    variables: Variables,
    remarks: Sequence[str] = (),
    said: Sequence[str] = (),
) -> int:
    """Says what was decided and where weights are; returns the exit status.

    Args:
        arguments: of the command.
        folder: that the weights were written to.
        variables: the weights.
        remarks: what was decided.
        said: remarks that were printed before.
    """
    card = read_card(folder)
    count = parameter_count(variables["params"])
    found = {
        "folder": str(folder),
        "parameters": count,
        **{key: card[key] for key in ("model", "num_classes", "fields", "image_size", "channels", "preprocessing")},
        "class_names_known": bool(card["class_names"]),
        "remarks": [*said, *remarks],
        "source": card["source"],
    }
    write_json(arguments.json, found)
    for remark in remarks:
        print(remark)
    print(f"{card['model']}, {count:,} parameters, is in {folder}: jaxcnn.load_variables({str(folder)!r})")
    return 0


def _assumed(known: Mapping[str, Any]) -> list[str]:
    """Returns lines about whitening and class names, which a file of weights does not contain."""
    images, names = known["preprocessing"], known["class_names"]
    whitening = f"whitening: mean {images['mean']}, std {images['std']}, {images['statistics']}"
    said = [whitening if images["mean"] else "whitening is not known: --mean and --std say it"]
    said += [f"images: {Preparation(preprocessing=images).told()}"] if images["mean"] else []
    return said + ([] if names else ["class names are not known, numbers stand for them: --classes FILE gives them"])


def _complain(error: WrongWeightsError, report: Path | None) -> None:
    """Prints the wrong entries, by layer, and writes all of them to the report, if there is one."""
    lines = [f"{kind}: {entry}" for kind, entries in error.entries.items() for entry in entries]
    shown = _grouped(error.entries)
    if len(shown) < len(lines) and report is None:
        shown[-1] += "; --report FILE writes all"
    print("\n".join(shown), file=sys.stderr)
    if report is not None:
        with writing(report):
            report.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="backslashreplace")


def _grouped(entries: Mapping[str, list[str]]) -> list[str]:
    """Returns at most `LINES` lines: the entries, or their number in each layer, and how many are not shown."""
    for depth in (9, 3, 2, 1):
        found = [line for kind, texts in entries.items() for line, _ in _by_layers(kind, texts, depth)]
        if len(found) <= LINES:
            return found
    shown = []
    for kind, texts in entries.items():
        layers = _by_layers(kind, texts, 1)
        first = layers if len(layers) <= LINES // len(entries) else layers[: LINES // len(entries) - 1]
        rest = sum(count for _, count in layers[len(first) :])
        shown += [line for line, _ in first] + ([f"{kind}: {rest} more"] if rest else [])
    return shown


def _by_layers(kind: str, texts: list[str], depth: int) -> list[tuple[str, int]]:
    """Returns a line for each layer with wrong entries, and their number. `depth` parts of a name name a layer."""
    layers = ["/".join(re.split(r"[./]", text.split(" ")[0])[:-1][:depth]) for text in texts]
    alone = {layer: f"{kind}: {text}" for layer, text in zip(layers, texts, strict=True)}
    return [
        (alone[layer] if count == 1 else f"{kind}: {count} entries of {layer}", count)
        for layer, count in Counter(layers).items()
    ]


def _place(text: str) -> Path | HubName:
    try:
        return hub_name(text) or path_type(text)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _numbers(text: str) -> list[float]:
    return [float(number) for number in text.split(",")]


_numbers.__name__ = "numbers"  # for argparse's error message


def make_parser() -> CommandParser:
    """Returns the command line of the command."""
    parser = CommandParser(
        "jaxcnn import-weights",
        description="Convert the weights of a reference implementation.",
        example="jaxcnn import-weights resnet50 resnet50.pth --output weights/resnet50",
    )
    parser.add_argument("model", metavar="MODEL", help="our name of the model, or package.module:Net of your own")
    parser.add_argument(
        "file",
        metavar="FILE",
        type=_place,
        help=f"{READABLE}; its format is recognised by its content. Or hf:OWNER/NAME[@REVISION], a repository of the "
        "Hugging Face Hub, or a folder of the same layout: model.safetensors and config.json as timm writes them",
    )
    parser.add_argument(
        "--output", metavar="DIR", type=Path, required=True, help="folder to write to; it must be new or empty"
    )
    parser.add_argument("--num-classes", metavar="N", type=int, help="width of the logits; default: the paper's")
    parser.add_argument("--image-size", metavar="N", type=int, help="of a module of your own: the side of its images")
    parser.add_argument("--channels", metavar="N", type=int, help="of a module of your own: those of its images")
    parser.add_argument(
        "--key", metavar="KEY", help="key of the state dict in FILE, as state_dict_ema; needed if several fit"
    )
    parser.add_argument("--classes", metavar="FILE", type=Path, help="class names by label: one on each line, or JSON")
    parser.add_argument("--mean", metavar="R,G,B", type=_numbers, help="mean that whitens images, where white is 1")
    parser.add_argument("--std", metavar="R,G,B", type=_numbers, help="deviation that whitens images, where white is 1")
    parser.add_argument("--report", metavar="FILE", type=new_file, help="write all wrong entries to this file")
    add_json(parser, "write what was imported there")
    parser.add_fields()
    return parser

"""`python -m jaxcnn import-weights MODEL FILE --output DIR`: a reference implementation's weights, kept as ours."""

import sys
from collections.abc import Sequence
from pathlib import Path

import jax

from jaxcnn.commands.parser import CommandParser
from jaxcnn.interop.state_dict import READERS, read_state_dict
from jaxcnn.interop.torch import WrongWeightsError, variables_from_torch
from jaxcnn.interop.weights import check_unused, save_variables


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status.

    Raises:
        UserError: for a wrong command line, file or folder, in one line; before it, all that is wrong with the
            entries of a file is listed on standard error.
    """
    arguments = _parser().parse_args(argv)
    fields = dict(arguments.field)
    if arguments.num_classes is not None:
        fields["num_classes"] = arguments.num_classes
    check_unused(arguments.output)
    entries = read_state_dict(arguments.file)
    try:
        variables = variables_from_torch(arguments.model, entries, **fields)
    except WrongWeightsError as error:
        _print_all(error)
        raise
    folder = save_variables(arguments.output, arguments.model, variables, source=arguments.file, **fields)
    count = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    print(f"{arguments.model}, {count:,} parameters, is in {folder}: jaxcnn.load_variables({str(folder)!r})")
    return 0


def _print_all(error: WrongWeightsError) -> None:
    for kind, entries in error.entries.items():
        for entry in entries:
            print(f"{kind}: {entry}", file=sys.stderr)


def _parser() -> CommandParser:
    parser = CommandParser(
        "python -m jaxcnn import-weights", description="Keep a reference implementation's weights as ours."
    )
    parser.add_argument("model", metavar="MODEL", help="our name of the net")
    parser.add_argument("file", metavar="FILE", type=Path, help=f"{', '.join(READERS)}; the last three need PyTorch")
    parser.add_argument("--output", metavar="DIR", type=Path, required=True, help="new, or an empty folder")
    parser.add_argument("--num-classes", metavar="N", type=int, help="width of the logits; else the paper's")
    parser.add_fields()
    return parser

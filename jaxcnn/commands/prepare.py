"""`python -m jaxcnn prepare NAME [--from DIR] [--data-dir DIR]`: makes a data set ready to train on."""

from collections.abc import Sequence
from pathlib import Path

from jaxcnn.commands.parser import CommandParser
from jaxcnn.data.builders import prepare
from jaxcnn.data.catalog import CATALOG, dataset_info
from jaxcnn.data.store import data_folder, is_prepared


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status.

    Raises:
        UserError: for a wrong command line or data set, in one line.
    """
    arguments = _parser().parse_args(argv)
    info = dataset_info(arguments.name)
    folder = data_folder(arguments.data_dir)
    if info.archive is None:
        print(f"{info.name} needs no preparing: it comes with scikit-learn")
    elif is_prepared(info, folder):
        print(f"{info.name} is already prepared in {folder}; to prepare it anew, remove {folder / info.name}")
    else:
        written = prepare(info.name, source=arguments.source, data_dir=folder)
        counts = ", ".join(f"{count:,} {split}" for split, count in info.examples.items())
        print(f"{info.name} is prepared in {written}: {counts}")
    return 0


def _parser() -> CommandParser:
    parser = CommandParser("python -m jaxcnn prepare", description="Make a data set ready to train on.")
    parser.add_argument("name", metavar="NAME", help=", ".join(CATALOG))
    parser.add_argument(
        "--from", dest="source", metavar="DIR", type=Path, help="where its official files lie; else download"
    )
    parser.add_argument("--data-dir", metavar="DIR", type=Path, help="where to write; else ~/tensorflow_datasets")
    return parser

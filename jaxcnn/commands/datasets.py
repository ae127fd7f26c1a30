"""`jaxcnn datasets [PATTERN] [--data-dir DIR] [--markdown]`: lists the data sets, and where they are prepared."""

import fnmatch
from collections.abc import Sequence

from jaxcnn.commands.parser import CommandParser
from jaxcnn.data.catalog import CATALOG, DatasetInfo
from jaxcnn.data.read.prepared import DamagedError, Where, data_folder, find_prepared
from jaxcnn.errors import unknown_word
from jaxcnn.table import print_rows

HEADER = ("name", "title", "image", "train", "test", "classes", "licence", "prepared")


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status.

    Raises:
        UserError: for a wrong command line, or a pattern that no data set matches, in one line.
    """
    arguments = make_parser().parse_args(argv)
    names = fnmatch.filter(CATALOG, arguments.pattern)
    if not names:
        raise unknown_word("data set", arguments.pattern, CATALOG)
    folder = data_folder(arguments.data_dir)
    rows = (_row(CATALOG[name], folder) for name in names)
    print_rows(HEADER, rows, markdown=arguments.markdown)
    return 0


def _row(info: DatasetInfo, folder: Where) -> tuple[str, ...]:
    height, width, channels = info.shape
    image = f"any x{channels}" if info.encoded else f"{height}x{width}x{channels}"
    counts = (f"{info.examples[split]:,}" for split in ("train", "test"))
    return info.name, info.title, image, *counts, str(info.num_classes), info.licence, _prepared(info, folder)


def _prepared(info: DatasetInfo, folder: Where) -> str:
    if info.archive is None:
        return "in scikit-learn"
    try:
        found = find_prepared(info, folder)
    except DamagedError:
        return f"damaged: {folder / info.tfds_name}"
    if found is None:
        return "no"
    remarks = [] if found.readable else [f"as {', '.join(sorted(found.formats))}"]
    remarks += [f"partial, {found.counts()}"] if found.partial else []
    return f"{found.place} ({'; '.join(remarks)})" if remarks else str(found.place)


def make_parser() -> CommandParser:
    """Returns the command line of the command."""
    parser = CommandParser("jaxcnn datasets", description="List the data sets, and where they are prepared.")
    parser.add_argument("pattern", metavar="PATTERN", nargs="?", default="*", help="as 'cifar*'; default: all")
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help="folder of the prepared ones, on a disk or in a bucket; default: ~/tensorflow_datasets",
    )
    parser.add_argument("--markdown", action="store_true", help="print the table in Markdown")
    return parser

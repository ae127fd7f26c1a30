"""`jaxcnn prepare NAME [--from DIR] [--data-dir DIR] [--allow-partial] [--format F]`: prepares a data set."""

from collections.abc import Sequence

from jaxcnn.commands.parser import CommandParser
from jaxcnn.data.catalog import CATALOG, dataset_info
from jaxcnn.data.read.prepared import ARRAY_RECORD, TFRECORD, data_folder, find_prepared
from jaxcnn.data.sets.builders import prepare


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status.

    Raises:
        UserError: for a wrong command line or data set, in one line.
    """
    arguments = make_parser().parse_args(argv)
    info = dataset_info(arguments.name)
    if info.archive is None:
        print(f"{info.name} needs no preparing: it comes with scikit-learn")
        return 0
    folder = data_folder(arguments.data_dir)
    before = find_prepared(info, folder)
    prepare(
        info.name,
        source=arguments.source,
        data_dir=folder,
        allow_partial=arguments.allow_partial,
        form=arguments.format,
    )
    found = find_prepared(info, folder)
    assert found
    already = f"; it was before: to prepare it anew, remove {found.place}" if before else ""
    partial = " (partial)" if found.partial else ""
    print(f"{info.name} is prepared in {found.place}: {found.counts()}{partial}{already}")
    return 0


def make_parser() -> CommandParser:
    """Returns the command line of the command."""
    parser = CommandParser("jaxcnn prepare", description="Prepare a data set for training.")
    parser.add_argument("name", metavar="NAME", help=", ".join(CATALOG))
    parser.add_argument(
        "--from",
        dest="source",
        metavar="DIR",
        help="folder or bucket with its official files; default: they are downloaded",
    )
    parser.add_argument(
        "--data-dir", metavar="DIR", help="where to write, on a disk or in a bucket; default: ~/tensorflow_datasets"
    )
    parser.add_argument(
        "--allow-partial",
        action="store_true",
        help="prepare the examples that are there, and mark the data set as partial",
    )
    parser.add_argument(
        "--format",
        choices=[ARRAY_RECORD, TFRECORD],
        default=ARRAY_RECORD,
        help="tfrecord is what tfds.load reads with TensorFlow; default: array_record, what training reads",
    )
    return parser

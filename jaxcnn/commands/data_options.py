"""Options of the commands that show a net examples of a split."""

from pathlib import Path

from jaxcnn.commands.parser import CommandParser
from jaxcnn.data.read.sources import SPLITS


def add_data(parser: CommandParser) -> None:
    """Adds `--split`, `--data` and `--data-dir`."""
    parser.add_argument("--split", choices=SPLITS, default="test", help="default: test")
    parser.add_argument("--data", metavar="NAME", help="another data set, as --config.data.name names it")
    parser.add_argument("--data-dir", metavar="DIR", help="where the data lie; alone: a folder of images by class")


def image_or_number(text: str) -> str | int:
    """Returns a file, or the number of an example where no file has such a name; the `type` of an argument."""
    return int(text) if text.isdecimal() and not Path(text).exists() else text

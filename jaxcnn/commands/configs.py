"""`jaxcnn configs [PATTERN] [--markdown]`: lists the configs that come with jaxcnn."""

import ast
import fnmatch
from collections.abc import Sequence
from pathlib import Path

from jaxcnn.commands.parser import CommandParser
from jaxcnn.config.file import load
from jaxcnn.errors import unknown_word
from jaxcnn.shipped import config_files
from jaxcnn.table import print_rows

HEADER = ("name", "model", "data", "length", "about")


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status.

    Raises:
        UserError: for a wrong command line, or a pattern that no config matches, in one line.
    """
    arguments = make_parser().parse_args(argv)
    files = config_files()
    names = fnmatch.filter(files, arguments.pattern)
    if not names:
        raise unknown_word("config", arguments.pattern, files)
    print_rows(HEADER, (_row(name, files[name]) for name in names), markdown=arguments.markdown)
    if not arguments.markdown:
        print(f"\nTrain one by its name: jaxcnn train --config={names[0]} --workdir=DIR")
        print(f"They lie in {files[names[0]].parent}: a changed copy is a config too, --config=FILE.py")
    return 0


def _row(name: str, file: Path) -> tuple[str, ...]:
    config, _ = load(str(file))
    length = f"{config.total_steps} steps" if config.total_steps else f"{config.total_epochs:g} epochs"
    return name, config.model.name, config.data.name, length, _about(file)


def _about(file: Path) -> str:
    """Returns the first line of a file's docstring."""
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]


def make_parser() -> CommandParser:
    """Returns the command line of the command."""
    parser = CommandParser("jaxcnn configs", description="List the configs that come with jaxcnn.")
    parser.add_argument("pattern", metavar="PATTERN", nargs="?", default="*", help="as '*resnet*'; default: all")
    parser.add_argument("--markdown", action="store_true", help="print the table in Markdown")
    return parser

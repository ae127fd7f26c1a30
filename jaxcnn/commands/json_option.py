"""The option `--json FILE` of commands: their result, for programs."""

import json
from pathlib import Path
from typing import Any

from jaxcnn.commands.parser import CommandParser, new_file
from jaxcnn.json_file import replace_text


def add_json(parser: CommandParser, about: str) -> None:
    """Adds `--json FILE`; `about` says what is written there."""
    parser.add_argument("--json", metavar="FILE", type=new_file, help=about)


def write_json(path: Path | None, found: Any) -> None:
    """Writes a result as JSON, if there is a path. Numbers that are not finite must be None already.

    A command calls it before it prints: what reads the output, as `head`, may go away, which ends the program.

    Raises:
        UserError: if it cannot be written.
    """
    if path:
        replace_text(path, json.dumps(found, indent=1, allow_nan=False) + "\n")

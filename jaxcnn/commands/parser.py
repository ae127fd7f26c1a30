"""The command line of a command."""

import argparse
import sys
from pathlib import Path
from typing import Any, NoReturn

from jaxcnn import runtime
from jaxcnn.addresses import local_path
from jaxcnn.config.kinds import parse_literal
from jaxcnn.errors import UserError


class CommandParser(argparse.ArgumentParser):
    """argparse whose complaints are a `UserError` of one line, which the entry point prints."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(prog, description=description, allow_abbrev=False)
        self.register("type", Path, _path)

    def error(self, message: str) -> NoReturn:
        """Raises what is wrong with the command line, and how it is written."""
        raise UserError(f"{message}; {' '.join(self.format_usage().split())}")

    def add_verbose(self) -> None:
        """Adds `-v`, which says on standard error what is set for the process."""
        self.add_argument(
            "-v", "--verbose", nargs=0, action=_Announce, help="say what is set for the process, and how not"
        )

    def add_fields(self) -> None:
        """Adds `--field NAME=VALUE`, which may be repeated; the answer's `field` is a list of (name, value)."""
        self.add_argument(
            "--field",
            metavar="NAME=VALUE",
            type=_field,
            action="append",
            default=[],
            help="a field of create_model, as padding=same or norm_options='{\"epsilon\": 1e-3}'; may be repeated",
        )


def _path(text: str) -> Path:
    """Returns a path of this machine: what every argument of `type=Path` is."""
    try:
        return local_path("it", text)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


class _Announce(argparse.Action):
    def __call__(self, *_: Any) -> None:
        if runtime.settings():
            print(f"jaxcnn: {runtime.announcement()}", file=sys.stderr)


def _field(text: str) -> tuple[str, Any]:
    """Returns name and value of "name=value": JSON, a Python literal as our messages write it, or else a word."""
    name, equals, value = text.partition("=")
    if not (name and equals) or name == "name":  # MODEL is the name
        raise ValueError(text)
    return name, parse_literal(value)


_field.__name__ = "NAME=VALUE"  # what argparse calls it in its complaint

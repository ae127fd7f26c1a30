"""The command line of a command."""

import argparse
from typing import NoReturn

from jaxcnn.errors import UserError


class CommandParser(argparse.ArgumentParser):
    """argparse whose complaints are a `UserError` of one line, which the entry point prints."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(prog, description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Raises what is wrong with the command line, and how it is written."""
        raise UserError(f"{message}; {' '.join(self.format_usage().split())}")

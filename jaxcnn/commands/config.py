"""The command line of a command that takes a config: `CONFIG [--config.key=value ...]`, and its own options."""

import sys
from argparse import Namespace
from collections.abc import Sequence

from ml_collections import ConfigDict

from jaxcnn.command_line import take_apart
from jaxcnn.commands.parser import CommandParser


class ConfigParser(CommandParser):
    """A parser that also takes a config, and changes to its keys."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(prog, description)
        self.add_argument(
            "config", metavar="CONFIG", help="the run: a name or recipe of `jaxcnn configs`, a file or a config.json"
        )
        self.add_argument("--config.KEY", metavar="VALUE", help="changes a key of it; written --config.key=value")

    def parse(self, argv: Sequence[str]) -> tuple[Namespace, ConfigDict]:
        """Returns the command's own arguments, and the changed config.

        Raises:
            UserError: for a mistake in either.
        """
        line = take_apart(argv)
        own = self.parse_args([*line.rest, *([line.file] if line.file is not None else [])])
        config, remarks = line.config(own.config)
        for remark in remarks:
            print(f"jaxcnn: {remark}", file=sys.stderr)
        return own, config

"""The command line of a command about a run: `CONFIG [--config.key=value ...]` beside the command's own options."""

from argparse import Namespace
from collections.abc import Sequence

from ml_collections import ConfigDict

from jaxcnn.command_line import read_config
from jaxcnn.commands.parser import CommandParser

_CHANGES = ("--config.", "--noconfig.")


class ConfigParser(CommandParser):
    """A command's parser that takes a config file and changes to it as well."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(prog, description)
        self.add_argument("config", metavar="CONFIG", help="the run: a Python file with get_config()")
        self.add_argument("--config.KEY", metavar="VALUE", help="changes a key of it; written --config.key=value")

    def parse(self, argv: Sequence[str]) -> tuple[Namespace, ConfigDict]:
        """Returns the command's own arguments, and the config with its changes.

        Raises:
            UserError: for anything wrong in either, in one line.
        """
        changes = [argument for argument in argv if argument.startswith(_CHANGES)]
        own = self.parse_args([argument for argument in argv if argument not in changes])
        config = read_config([self.prog, f"--config={own.config}", *changes])
        assert config is not None
        return own, config

"""`jaxcnn completion SHELL`: prints the script with which a shell completes the command lines of jaxcnn.

No completion library is used, since `--config=NAME` and `--config.key=value` must be completed behind their "=".
"""

import argparse
import importlib.resources
from collections.abc import Callable, Iterator, Sequence

from jaxcnn.commands.parser import CommandParser
from jaxcnn.commands.registry import COMMANDS, make_parsers
from jaxcnn.config.kinds import SWITCH
from jaxcnn.config.table import SETTINGS
from jaxcnn.data.catalog import CATALOG
from jaxcnn.models import list_models
from jaxcnn.recipes.reached import listed
from jaxcnn.shipped import config_files

SHELLS = ("bash", "zsh", "fish")


def _recipes() -> list[str]:
    return [entry.name for entry in listed()]


_PATTERNS: dict[str, Callable[[], list[str]]] = {  # command -> names that its PATTERN can match
    "configs": lambda: [*config_files(), *_recipes()],
    "datasets": lambda: list(CATALOG),
    "models": list_models,
    "settings": lambda: list(SETTINGS),
}
_TABLE = "# the table stands here\n"
_VALUES: dict[object, Callable[[], list[str]]] = {  # metavar of an argument -> possible values
    "A": lambda: [*list_models(), "@dir"],
    "B": lambda: [*list_models(), "@dir"],
    "CONFIG": lambda: [*config_files(), *_recipes(), "@file"],
    "DIR": lambda: ["@dir"],
    "FILE": lambda: ["@file"],
    "MODEL": list_models,
    "NAME": lambda: list(CATALOG),
    "RUN": lambda: ["@dir"],
}


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status.

    Raises:
        UserError: for a wrong command line, in one line.
    """
    print(script(make_parser().parse_args(argv).shell), end="")
    return 0


def script(shell: str) -> str:
    """Returns the script for one of `SHELLS`."""
    before, _, after = (
        (importlib.resources.files(__package__) / "shells" / f"jaxcnn.{shell}")
        .read_text(encoding="utf-8")
        .partition(_TABLE)
    )
    indent = before[before.rindex("\n") + 1 :]
    write = _fish if shell == "fish" else _case
    lines = [write(command, option, " ".join(words)) for command, option, words in table() if words]
    return before.removesuffix(indent) + "".join(f"{indent}{line}\n" for line in lines) + after


def table() -> Iterator[tuple[str, str, list[str]]]:
    """Yields a command ("*": any), an option of it, and the words that may follow.

    The option "-" stands for the options themselves, "--config." for the keys of a config, and "" for positional
    arguments. The words @file and @dir stand for names of files and folders.
    """
    parsers = make_parsers()
    groups = {name.split(" ")[0] for name in parsers} - parsers.keys()
    yield "", "", list(COMMANDS)
    yield "", "-", ["--help", "--version"]
    for group in sorted(groups):
        yield group, "", [name.split(" ")[1] for name in parsers if name.startswith(f"{group} ")]
        yield group, "-", ["--help"]
    for name, parser in parsers.items():
        yield from _of_command(name, parser)
    yield "*", "--config", _VALUES["CONFIG"]()
    yield "*", "--config.", [f"--config.{key}=" for key in SETTINGS]
    for key, setting in SETTINGS.items():
        if setting.words or setting.kind is SWITCH:
            yield "*", f"--config.{key}", list(setting.words.known) if setting.words else ["true", "false"]


def _of_command(name: str, parser: CommandParser) -> Iterator[tuple[str, str, list[str]]]:
    options = parser.options()
    keys = ["--config=", "--config."] if options.pop("--config.KEY", None) else []
    written = [option if action.nargs == 0 else f"{option}=" for option, action in options.items()]
    yield name, "-", list(dict.fromkeys([*written, *keys]))
    patterns = _PATTERNS[name]() if name in _PATTERNS else []
    yield name, "", [*patterns, *(word for action in parser.positionals() for word in _values(action))]
    yield from ((name, option, _values(action)) for option, action in options.items() if option != "--config")


def _values(action: argparse.Action) -> list[str]:
    if action.choices:
        return list(map(str, action.choices))
    return _VALUES[action.metavar]() if action.metavar in _VALUES else []


def _case(command: str, option: str, words: str) -> str:
    pattern = f"*'|{option}'" if command == "*" else f"'{command}|{option}'"
    return f"{pattern}) echo '{words}' ;;"


def _fish(command: str, option: str, words: str) -> str:
    return f"case '{command}|{option}'; echo '{words}'"


def make_parser() -> CommandParser:
    """Returns the command line of the command."""
    parser = CommandParser(
        "jaxcnn completion",
        description="Print the completion script for a shell. Its first lines say where to put it.",
    )
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=", ".join(SHELLS))
    return parser

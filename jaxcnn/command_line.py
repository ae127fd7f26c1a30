"""From a command line to a config: the file that it names, and changes to its keys."""

import dataclasses
import re
from collections.abc import Sequence

from ml_collections import ConfigDict

from jaxcnn.config.file import assign, load
from jaxcnn.config.keys import find_key, is_free, nearest, parse_value
from jaxcnn.config.kinds import SWITCH, parse_literal
from jaxcnn.config.table import SETTINGS
from jaxcnn.errors import UserError
from jaxcnn.recipes.name import is_recipe, words_of
from jaxcnn.shipped import config_files

_ABOUT_CONFIG = re.compile(r"--?(no[_-]?)?config(?:\.([^=]*))?(?:=(.*))?", re.DOTALL)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """A command line, taken apart."""

    file: str | None
    """What --config names."""
    changes: tuple[tuple[str, str], ...]
    """Keys by their full names, and the texts that they are set to, in order."""
    remarks: tuple[str, ...]
    """What to tell the user of how keys were understood."""
    rest: tuple[str, ...]
    """All else, in order."""

    def config(self, file: str) -> tuple[ConfigDict, list[str]]:
        """Returns the config in `file`, or of the recipe that it names, changed, and what to tell the user of it."""
        config, remarks = (_of_recipe(file), []) if is_recipe(file) else load(file)
        for key, text in self.changes:
            value = parse_literal(text) if is_free(key) else parse_value(key, text)
            assign(config, key, value)
        return config, [*remarks, *self.remarks]


def take_apart(arguments: Sequence[str]) -> Line:
    """Returns what a command line, without its program, says: `--config=FILE`, `--config.KEY=VALUE` and the rest.

    A value may also follow as the next argument, a dash stand for an underscore, and `--config.KEY` or
    `--noconfig.KEY` alone for true or false.

    Raises:
        UserError: for a key that is none, or a value that is missing.
    """
    file, changes, remarks, rest = None, [], [], []
    left = list(arguments)
    while left:
        argument = left.pop(0)
        about = _ABOUT_CONFIG.fullmatch(argument)
        if argument == "--":
            rest += [argument, *left]
            break
        if not about or (about[1] and about[2] is None):
            rest.append(argument)
        elif about[2] is None:
            file = _value(argument, about[3], left)
        else:
            key, remark = find_key(about[2].replace("-", "_"))
            text = _switch(argument, key, about[3]) if about[1] else about[3]
            if text is None and _is_switch(key):
                text = "true"
            changes.append((key, _value(argument, text, left)))
            remarks += [remark] if remark else []
    return Line(file=file, changes=tuple(changes), remarks=tuple(remarks), rest=tuple(rest))


def read_config(argv: Sequence[str]) -> ConfigDict:
    """Returns the config of a command line that has nothing else: the program, `--config=FILE`, `--config.KEY=VALUE`.

    Raises:
        UserError: for a key, a value, a file or an argument that is wrong, in one line.
    """
    line = take_apart(argv[1:])
    if line.rest or not line.file:
        raise stray(line.rest[0]) if line.rest else UserError("--config is missing")
    return line.config(line.file)[0]


def _of_recipe(place: str) -> ConfigDict:
    """Returns the config of a recipe."""
    from jaxcnn.recipes.recipe import recipe  # imports jax, which takes seconds and must come after runtime.configure

    return recipe(*words_of(place))


def stray(argument: str) -> UserError:
    """Returns the error for an argument that is no option, with what it may have been meant to be."""
    name, equals, value = argument.partition("=")
    keys = nearest(name.removeprefix("config.")) if equals else []
    if argument.endswith((".py", ".json")) or argument in config_files() or is_recipe(argument):
        return UserError(f"stray argument {argument!r}: did you mean --config={argument}?")
    if keys:
        return UserError(
            f"stray argument {argument!r}: did you mean {' or '.join(f'--config.{key}={value}' for key in keys)}?"
        )
    return UserError(f"stray argument {argument!r}: settings are given as --config.key=value")


def _value(argument: str, text: str | None, left: list[str]) -> str:
    """Returns the value of an argument: behind its "=", or else what follows."""
    if text is not None:
        return text
    if not left or left[0].startswith("--"):
        raise UserError(f"{argument} needs a value: {argument}=VALUE")
    return left.pop(0)


def _switch(argument: str, key: str, text: str | None) -> str:
    if text is not None or not _is_switch(key):
        raise UserError(f"{argument}: --noconfig.KEY alone is for keys that are true or false")
    return "false"


def _is_switch(key: str) -> bool:
    return key in SETTINGS and SETTINGS[key].kind is SWITCH

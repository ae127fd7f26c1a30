"""A part of a run by name: a word of a table, or `package.module:name` of anything that Python can import.

A path is imported from where Python imports anything: installed packages, PYTHONPATH, and the current folder, which
`python -m jaxcnn` has on its path by itself and which the console script adds. Importing runs the module's code, so a
config with a path in it is to be trusted as a program is.
"""

import functools
import importlib
import inspect
import re
import traceback
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any, TypeAlias

from jaxcnn.errors import UserError, nearest, unknown_word

Part: TypeAlias = str | Callable[..., Any]
"""A word of a table, a path `package.module:name`, or the object itself."""

PATH = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"
"""A regular expression of what reads as a path."""


def is_path(value: object) -> bool:
    """Returns whether a value is a text of the form `package.module:name`."""
    return isinstance(value, str) and re.fullmatch(PATH, value) is not None


def find_part(kind: str, value: Any, table: Mapping[str, Any]) -> Any:
    """Returns what a value stands for: a table's entry for a word, what is imported for a path, itself if callable.

    Args:
        kind: what it is ("model", "norm", ...), for messages.
        value: a word, a path, or the object.
        table: word -> object.

    Raises:
        UserError: for an unknown word, a module that cannot be imported, a name that it lacks, or what is not callable.
    """
    if isinstance(value, str):
        if value in table:
            return table[value]
        return _imported(kind, value) if ":" in value else _refuse_word(kind, value, table)
    if not callable(value):
        raise UserError(f"{kind} is {value!r:.60}: it must be a word, a path package.module:name, or a callable")
    return value


def part_name(value: Any) -> str:
    """Returns a part in words: a text as it is, an object by its qualified name, as `package.module:name`."""
    if isinstance(value, str):
        return value
    if isinstance(value, functools.partial):
        return part_name(value.func)
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}:{named.__qualname__}"


def parameters_of(maker: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Returns the parameters of a class, function or partial by name; of a few of C none are known."""
    try:
        return inspect.signature(maker).parameters
    except (TypeError, ValueError):
        return {}


def required_positions(maker: Callable[..., Any]) -> int:
    """Returns how many parameters have no default and can be given by position."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    found = parameters_of(maker).values()
    return sum(parameter.kind in positional and parameter.default is parameter.empty for parameter in found)


def _refuse_word(kind: str, value: str, table: Iterable[str]) -> Any:
    words = list(table)
    module, dot, name = value.rpartition(".")
    if dot and is_path(f"{module}:{name}"):
        raise UserError(f"unknown {kind} {value!r}: a path has a colon before its last name, {module}:{name}")
    if not words:
        raise UserError(f"{kind} is {value!r}: it must be a path, as package.module:name")
    raise unknown_word(kind, value, words)


def _imported(kind: str, path: str) -> Any:
    """Returns the object at a path."""
    if not is_path(path):
        raise UserError(f"{kind} is {path!r}: a path is written as package.module:name")
    name, _, attributes = path.partition(":")
    found: Any = _module(kind, path, name)
    for attribute in attributes.split("."):
        if not hasattr(found, attribute):
            raise UserError(f"{kind} {path!r}: {_lacks(found, name, attribute)}")
        found = getattr(found, attribute)
    if not callable(found):
        raise UserError(f"{kind} {path!r} is no function and no class: it is of type {type(found).__name__}")
    return found


def _module(kind: str, path: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            where = "it must be installed, on PYTHONPATH or in the current folder"
            raise UserError(f"{kind} {path!r}: there is no module {error.name}; {where}") from None
        raise UserError(f"{kind} {path!r}: {name} imports {error.name}, which is not installed") from error
    except Exception as error:  # whatever the module's own code raises
        frame = error if isinstance(error, SyntaxError) else traceback.extract_tb(error.__traceback__)[-1]
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(
            f"{kind} {path!r}: importing {name} fails at {frame.filename}:{frame.lineno}: {said}"
        ) from error


def _lacks(found: Any, module: str, attribute: str) -> str:
    place = f"module {module}" if isinstance(found, ModuleType) else part_name(found)
    near = nearest(attribute, [name for name in dir(found) if not name.startswith("_")])
    return f"{place} has no {attribute}" + (f"; did you mean {' or '.join(near)}?" if near else "")

"""A part of a run by name: a name in a table, or `package.module:name` of anything that Python can import.

A path is imported as Python imports anything: from installed packages, PYTHONPATH, and the current folder, which
`python -m jaxcnn` has on its path, and the console script adds. Importing runs the module's code, so trust a config
with a path as you would trust a program.
"""

import functools
import importlib
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any, TypeAlias

from jaxcnn.errors import UserError, first_line, nearest, unknown_word

Part: TypeAlias = str | Callable[..., Any]
"""A name in a table, a path `package.module:name`, or the object itself."""

_NOT_OWN = sys.stdlib_module_names | {"chex", "flax", "jax", "jaxlib", "jaxcnn", "numpy", "optax"}
"""Packages in which a user's mistake is not looked for."""
PATH = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"
"""A regular expression for such a path."""


def is_path(value: object) -> bool:
    """Returns whether a value is a text of the form `package.module:name`."""
    return isinstance(value, str) and re.fullmatch(PATH, value) is not None


def find_part(kind: str, value: Any, table: Mapping[str, Any]) -> Any:
    """Returns the object of a value: a table's entry for a name, an import for a path, itself if callable.

    Args:
        kind: of part ("model", "norm", ...), for messages.
        value: a name, a path, or the object.
        table: objects by name.

    Raises:
        UserError: for an unknown name, a module that cannot be imported or lacks the name, or an object that is not
            callable.
    """
    if isinstance(value, str):
        if value in table:
            return table[value]
        return _imported(kind, value) if ":" in value else _refuse_word(kind, value, table)
    if not callable(value):
        raise UserError(f"{kind} is {value!r:.60}: it must be a word, a path package.module:name, or a callable")
    return value


def part_name(value: Any) -> str:
    """Returns the name of a part: a text itself, or an object's qualified name, `package.module:name`."""
    if isinstance(value, str):
        return value
    if isinstance(value, functools.partial):
        return part_name(value.func)
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}:{named.__qualname__}"


def explained(error: BaseException) -> str:
    """Returns the first line of an error, after "FILE:LINE: TYPE: " if a user's own code is among its calls."""
    reason = first_line(error)
    calls = traceback.walk_tb(error.__traceback__)
    own = [(frame.f_code.co_filename, line) for frame, line in calls if _package_of(frame.f_globals) not in _NOT_OWN]
    return f"{own[-1][0]}:{own[-1][1]}: {type(error).__name__}: {reason}" if own else reason


def _package_of(names: Mapping[str, Any]) -> str:
    return str(names.get("__name__", "")).partition(".")[0]


def parameters_of(maker: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Returns the parameters of a class, function or partial by name; {} for a few written in C."""
    try:
        return inspect.signature(maker).parameters
    except (TypeError, ValueError):
        return {}


def required_positions(maker: Callable[..., Any]) -> int:
    """Returns the number of positional parameters without default."""
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
    except Exception as error:  # the module's code may raise any kind
        frame = error if isinstance(error, SyntaxError) else traceback.extract_tb(error.__traceback__)[-1]
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(
            f"{kind} {path!r}: importing {name} fails at {frame.filename}:{frame.lineno}: {said}"
        ) from error


def _lacks(found: Any, module: str, attribute: str) -> str:
    place = f"module {module}" if isinstance(found, ModuleType) else part_name(found)
    near = nearest(attribute, [name for name in dir(found) if not name.startswith("_")])
    return f"{place} has no {attribute}" + (f"; did you mean {' or '.join(near)}?" if near else "")

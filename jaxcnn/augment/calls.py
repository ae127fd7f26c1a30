"""Texts of a config that name functions and their arguments: "shift(2), flip"."""

import ast
import dataclasses
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

from jaxcnn.errors import UserError
from jaxcnn.parts import PATH, find_part


@dataclasses.dataclass(frozen=True)
class Call:
    """One function that a text names, with its arguments."""

    name: str
    factory: Callable[..., Any]
    bound: inspect.BoundArguments

    @property
    def arguments(self) -> Mapping[str, Any]:
        """Values by parameter name. A parameter that the text leaves out has its default."""
        return self.bound.arguments

    def make(self, **context: Any) -> Any:
        """Returns what the factory makes of the arguments.

        Args:
            context: values that a text does not give, such as `num_classes`. Each replaces the parameter of that name
                if the factory has one and it is None.
        """
        lacking = {name for name, value in self.arguments.items() if value is None}
        missing = {name: value for name, value in context.items() if name in lacking}
        return self.factory(*self.bound.args, **{**self.bound.kwargs, **missing})


def read_calls(kind: str, text: str, known: Mapping[str, Callable[..., Any]], example: str) -> tuple[Call, ...]:
    """Returns the calls that a text lists, in order. A name alone is a call without arguments; "" is no call.

    Args:
        kind: what the functions are, for messages: "augmentation".
        text: a list of calls as in the config.
        known: factories by name. Each factory that the text names is called once, to check its arguments.
        example: a valid text, for messages.

    Raises:
        UserError: for a text that is no list of calls, an unknown name, or wrong arguments.
    """
    unreadable = UserError(f"cannot read {kind} {text!r}: write it as {example!r}")
    text, paths = _without_paths(text)
    try:
        body = ast.parse(f"({text.strip().rstrip(',')},)" if text.strip() else "()", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise unreadable from None
    if not isinstance(body, ast.Tuple):
        raise unreadable
    calls = tuple(_read(kind, expression, known, paths, unreadable) for expression in body.elts)
    for call in calls:
        _try(kind, call)
    return calls


def _try(kind: str, call: Call) -> None:
    try:
        call.make()
    except UserError:
        raise
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{kind} {call.name}: {' '.join(str(error).split())}") from None


def _without_paths(text: str) -> tuple[str, dict[str, str]]:
    """Returns a text that Python can read, with a name in place of each path outside of quotes, and path by name."""
    paths: dict[str, str] = {}

    def replace(found: re.Match[str]) -> str:
        if found[0][0] in "'\"":
            return found[0]
        name = f"_path{len(paths)}"
        paths[name] = found[0]
        return name

    return re.sub(f"'[^']*'|\"[^\"]*\"|{PATH}", replace, text), paths


def _read(
    kind: str,
    expression: ast.expr,
    known: Mapping[str, Callable[..., Any]],
    paths: Mapping[str, str],
    unreadable: UserError,
) -> Call:
    call = expression if isinstance(expression, ast.Call) else ast.Call(expression, [], [])
    if not isinstance(call.func, ast.Name):
        raise unreadable
    name = paths.get(call.func.id, call.func.id)
    factory = find_part(kind, name, known)
    signature = inspect.signature(factory)
    try:
        arguments = [ast.literal_eval(value) for value in call.args]
        options = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
        bound = signature.bind(*arguments, **options)
    except (TypeError, ValueError) as error:
        reason = error if isinstance(error, TypeError) else "its arguments must be plain values"
        shown = signature.replace(return_annotation=inspect.Signature.empty)
        raise UserError(f"{kind} {name}{shown}: {reason}") from None
    bound.apply_defaults()
    return Call(name, factory, bound)

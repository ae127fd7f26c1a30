"""How a norm is told whether it trains, and how norms of a net are told otherwise from outside."""

import contextlib
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import flax.linen as nn

from jaxcnn.errors import UserError

Path = tuple[str, ...]


def mode(*, train: bool) -> dict[str, bool]:
    """Returns what each word means, by which a norm is told whether it trains: a field of it, or an argument."""
    return {"use_running_average": not train, "deterministic": not train, "train": train}


@contextlib.contextmanager
def in_evaluation(paths: Collection[Path]) -> Iterator[None]:
    """While it is entered, the norms at these paths compute as in evaluation, whatever they are told.

    Nothing outside of the traced call changes: a norm has other values of its fields only while one of its methods
    runs. It holds within loops, rematerialised blocks and the forms of `accelerate`.

    Args:
        paths: names from the net's submodule inwards.

    Raises:
        UserError: when such a module is called, if it is told by no field or argument whether it trains.
    """
    told = mode(train=False)

    def tell(call: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
        module: Any = context.module
        if module.scope is None or module.path not in paths:
            return call(*args, **kwargs)
        fields = {word: value for word, value in told.items() if getattr(module, word, None) is not None}
        asked, args, kwargs = _replaced(getattr(type(module), context.method_name), module, args, kwargs, told)
        if context.method_name == "__call__" and not fields and not asked:
            raise UserError(
                f"{'/'.join(module.path)} is a frozen {type(module).__name__} with statistics, and has no field "
                f"{', '.join(told)} that would tell it to use them: train.freeze_norms = train leaves it as it is"
            )
        with _holding(module, fields):
            return call(*args, **kwargs)

    with nn.intercept_methods(tell):
        yield


def _replaced(
    method: Callable[..., Any], module: Any, args: Any, kwargs: Any, told: Mapping[str, bool]
) -> tuple[bool, Any, Any]:
    """Returns whether a call has one of the words as an argument, and its arguments with the values of `told`."""
    if not told.keys() & inspect.signature(method).parameters.keys():
        return False, args, kwargs
    bound = inspect.signature(method).bind(module, *args, **kwargs)
    words = [word for word in told if bound.arguments.get(word) is not None]
    bound.arguments.update({word: told[word] for word in words})
    return bool(words), bound.args[1:], bound.kwargs


@contextlib.contextmanager
def _holding(module: Any, fields: Mapping[str, bool]) -> Iterator[None]:
    """Gives fields of a module other values while it is entered; flax itself lets no field of a bound module change."""
    before = {field: getattr(module, field) for field in fields}
    for field, value in fields.items():
        object.__setattr__(module, field, value)
    try:
        yield
    finally:
        for field, value in before.items():
            object.__setattr__(module, field, value)

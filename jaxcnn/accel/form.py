"""What a form is: a computation in the place of a method of a layer, equal to it and faster on one platform."""

import functools
from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeAlias

import jax

Plain: TypeAlias = Callable[..., Any]
"""The method that a form takes the place of, bound to its layer."""
Forms: TypeAlias = Mapping[tuple[type, str], Callable[..., Any]]
"""Class of layer, name of method -> form: (the plain method, the layer, what the method is given) -> its result."""


def shared(form: Callable[..., Any], *operands: Any, **settings: Hashable) -> Any:
    """Returns `form(*operands, **settings)`, traced once for operands of equal shapes and equal settings.

    Args:
        form: a function of a module.
        operands: arrays or trees of them.
        settings: what else it takes.
    """
    return _called(form, tuple(sorted(settings.items())), *operands)


# inlined: a call of its own would keep XLA from seeing through it
@functools.partial(jax.jit, static_argnums=(0, 1), inline=True)
def _called(form: Callable[..., Any], settings: tuple[tuple[str, Hashable], ...], *operands: Any) -> Any:
    return form(*operands, **dict(settings))

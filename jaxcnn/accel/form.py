"""Forms: replacements of a layer's method that give equal results and are faster on one platform."""

import functools
from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeAlias

import jax

Plain: TypeAlias = Callable[..., Any]
"""The method that a form replaces, bound to its layer."""
Forms: TypeAlias = Mapping[tuple[type, str], Callable[..., Any]]
"""By class of layer and name of method, a form: (plain method, layer, arguments of the method) -> result."""


def shared(form: Callable[..., Any], *operands: Any, **settings: Hashable) -> Any:
    """Returns `form(*operands, **settings)`, traced once for operands of equal shapes and equal settings.

    Args:
        form: a function of a Python module, so that it is the same object each time.
        operands: arrays or trees of them.
        settings: other arguments of the form, by name.
    """
    return _called(form, tuple(sorted(settings.items())), *operands)


# inlined: XLA would not optimise across a separate call
@functools.partial(jax.jit, static_argnums=(0, 1), inline=True)
def _called(form: Callable[..., Any], settings: tuple[tuple[str, Hashable], ...], *operands: Any) -> Any:
    return form(*operands, **dict(settings))

"""What a function of a user's own returns, as shapes: it is traced, and nothing is computed."""

from collections.abc import Callable
from typing import Any

import jax

from jaxcnn.errors import UserError, first_line
from jaxcnn.parts import part_name


def shapes_of(what: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Returns the shapes of what a function returns; raises `UserError` where it cannot be traced for these."""
    if not callable(function):
        raise UserError(f"{what} is {function!r:.60}: it must be a function")
    try:
        return jax.eval_shape(function, *arguments)
    except UserError:
        raise
    except Exception as error:  # whatever it raises
        given = " and ".join(f"{leaf.dtype}{list(leaf.shape)}" for leaf in jax.tree.leaves(arguments)[-2:])
        said = first_line(error)
        raise UserError(
            f"{what}, {part_name(function)}, cannot take {given}: {type(error).__name__}: {said}"
        ) from error

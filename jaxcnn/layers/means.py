"""Finds the number of values that each mean of a net's norms is taken over. It needs only shapes."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import flax.linen as nn

from jaxcnn.layers.norm_choice import NORMS


class Mean(NamedTuple):
    """The means of one call of a norm."""

    layer: str
    """Path of the norm: "stage1_block1/norm1"."""
    norm: str
    """Name of the norm, or of its class if it is a user's."""
    values: int
    """Number of values that each mean is taken over."""
    mapped: bool
    """Whether its input has a height and a width."""


@contextlib.contextmanager
def means_of_norms(batch: int) -> Iterator[list[Mean]]:
    """Gives a list, to which each norm that is called inside is appended.

    Inside, initialise or apply nets for one example, under `jax.eval_shape` or another trace. A norm is a module with a
    method `averaged(shape, batch)`, such as `jaxcnn.layers.norm.BatchNorm`.

    Args:
        batch: number of examples in a training batch.
    """
    found: list[Mean] = []

    def note(call: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
        module, averaged = context.module, getattr(context.module, "averaged", None)
        if context.method_name == "__call__" and callable(averaged):
            layer, shape = "/".join(module.path) or "the net", args[0].shape
            found.append(Mean(layer, norm_word(module), averaged(shape, batch), len(shape) > 2))
        return call(*args, **kwargs)

    with nn.intercept_methods(note):
        yield found


def norm_word(module: nn.Module) -> str:
    """Returns the name of a norm, or of its class if it is a user's."""
    return next((word for word, norm in NORMS.items() if isinstance(module, norm)), type(module).__name__)

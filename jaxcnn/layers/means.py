"""How many values the means of a net's norms are of: found by shape, with nothing computed or compiled."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import flax.linen as nn

from jaxcnn.layers.norm_choice import NORMS


class Mean(NamedTuple):
    """What a norm, where it is called, normalises by."""

    layer: str
    """The norm's path, as "stage1_block1/norm1"."""
    norm: str
    """Its word, or the name of its class where it is none of ours."""
    values: int
    """How many values each mean is of."""
    mapped: bool
    """Whether its input has a height and a width."""


@contextlib.contextmanager
def means_of_norms(batch: int) -> Iterator[list[Mean]]:
    """Gives a list that grows by each norm that is called inside, in the order of the calls.

    Inside, nets are initialised or applied for one example, under `jax.eval_shape` or any other trace. A norm is a
    module that has the method `averaged(shape, batch)`, as `jaxcnn.layers.norm.BatchNorm` has.

    Args:
        batch: how many examples the net trains on at once.
    """
    found: list[Mean] = []

    def note(call: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
        module, averaged = context.module, getattr(context.module, "averaged", None)
        if context.method_name == "__call__" and callable(averaged):
            layer, shape = "/".join(module.path) or "the net", args[0].shape
            found.append(Mean(layer, _word(module), averaged(shape, batch), len(shape) > 2))
        return call(*args, **kwargs)

    with nn.intercept_methods(note):
        yield found


def _word(module: nn.Module) -> str:
    return next((word for word, norm in NORMS.items() if isinstance(module, norm)), type(module).__name__)

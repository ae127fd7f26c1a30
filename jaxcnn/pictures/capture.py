"""What goes into and comes out of each module of a net."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax

from jaxcnn.analysis.trace import applied
from jaxcnn.layers.variables import by_path, stage_outputs
from jaxcnn.types import Array, Variables

_COLLECTION = "captured"
_INPUT, _OUTPUT = "__input__", "__output__"


class Captured(NamedTuple):
    """What a net computed. All of it may be traced."""

    logits: Any
    """What the net returns."""
    outputs: dict[str, Array]
    """By path, "stage1_block1/conv1", in the order of computation, what each module returns that returns one array; of
    one that is called several times its last. Of modules in a loop of `jaxcnn.layers.blocks.repeat` the turns are the
    first axis."""
    inputs: dict[str, Array]
    """Likewise, the first argument of each; empty if they were not asked for."""
    stages: dict[str, Array]
    """By name, what the net sows as a stage's output: "stem", "stage1", ..., "features"."""
    variables: dict[str, Any]
    """The collections other than `params` after the call: in training, the moved running statistics."""


def capture(
    model: nn.Module, variables: Variables, image: Any, *, train: bool = False, inputs: bool = False
) -> Captured:
    """Returns what each module of a net makes of a batch. Inside `jax.jit`, what is not used is not computed.

    It works on any linen module, also where blocks are rematerialised or run in a loop; of loops that are not ours,
    what is in them is left out.

    Args:
        model: called as `model(image, train=...)`, or without `train` if it does not take it.
        variables: of the net.
        image: (batch, height, width, channels) float, whitened.
        train: whether the net is applied as in training; dropout then has a fixed key.
        inputs: whether inputs are wanted, too.
    """
    order: dict[str, None] = {}

    def note(call: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
        output, module = call(*args, **kwargs), context.module
        if context.method_name == "__call__" and module.path:
            order["/".join(module.path)] = None
            _keep(module, _OUTPUT, output)
            if inputs and args:
                _keep(module, _INPUT, args[0])
        return output

    with nn.intercept_methods(note):
        logits, changed = applied(model, variables, image, train=train, mutable=[_COLLECTION, "intermediates"])
    found = by_path(changed.get(_COLLECTION, {}))
    return Captured(
        logits=logits,
        outputs=_named(found, order, _OUTPUT),
        inputs=_named(found, order, _INPUT),
        stages=stage_outputs(changed),
        variables={name: tree for name, tree in changed.items() if name in variables},
    )


def _keep(module: nn.Module, name: str, value: Any) -> None:
    if isinstance(value, jax.Array):
        module.sow(_COLLECTION, name, value, reduce_fn=lambda _, new: new, init_fn=lambda: None)


def _named(found: Mapping[str, Array], order: Iterable[str], name: str) -> dict[str, Array]:
    return {path: found[f"{path}/{name}"] for path in order if f"{path}/{name}" in found}

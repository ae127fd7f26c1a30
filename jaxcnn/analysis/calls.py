"""Which module of a net computes what: each call of a module is marked in the net's jaxpr.

`nn.intercept_methods` sees every call while a net is traced. The operations of a call get a scope with its number, and
the first array that it returns gets a name. So both are found in the jaxpr, also in loops and called functions.
"""

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
from jax.ad_checkpoint import checkpoint_name
from jax.extend.core import JaxprEqn

from jaxcnn.layers.conv import Conv
from jaxcnn.layers.norm import GroupNorm
from jaxcnn.ops.conv import resolve_padding

_SCOPE, _OUTPUT = "jaxcnn_call_", "jaxcnn_output_"
_NUMBER = re.compile(rf"{_SCOPE}(\d+)")


class Call(NamedTuple):
    """A call of a module while a net is traced."""

    path: tuple[str, ...]
    """Of the module; () for the net itself."""
    kind: str
    """Name of its class."""
    said: str
    """What the module itself says of how it computes: the groups of a group norm."""
    inputs: tuple[jax.ShapeDtypeStruct, ...]
    """The arrays among its positional arguments."""
    outputs: tuple[jax.ShapeDtypeStruct, ...]
    """The arrays that it returns."""
    parent: int | None
    """The number of the call that it is made in; None for the net itself."""


@contextlib.contextmanager
def marked_calls() -> Iterator[list[Call]]:
    """Gives a list, to which each call of a module that is traced inside is appended; its place is its number."""
    found: list[Any] = []
    around: list[tuple[int, tuple[str, ...]]] = []

    def note(call: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
        path, method = context.module.path, context.method_name
        if method == "setup" or (around and around[-1][1] == path):  # a method that the module calls of itself
            return call(*args, **kwargs)
        number, parent = len(found), around[-1][0] if around else None
        found.append(None)
        around.append((number, path))
        try:
            with jax.named_scope(f"{_SCOPE}{number}"):
                output = call(*args, **kwargs)
        finally:
            around.pop()
        module = context.module
        found[number] = Call(path, _kind(module), _said(module, args), _arrays(args), _arrays(output), parent)
        return _marked(output, f"{_OUTPUT}{number}")

    with nn.intercept_methods(note):
        yield found


def _arrays(tree: Any) -> tuple[jax.ShapeDtypeStruct, ...]:
    leaves = jax.tree.leaves(tree)
    return tuple(jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves if isinstance(leaf, jax.Array))


def _marked(output: Any, name: str) -> Any:
    """Returns what a module returns, its first array under a name."""
    leaves, tree = jax.tree.flatten(output)
    first = next((place for place, leaf in enumerate(leaves) if isinstance(leaf, jax.Array)), None)
    if first is None:
        return output
    leaves[first] = checkpoint_name(leaves[first], name)
    return jax.tree.unflatten(tree, leaves)


def _kind(module: nn.Module) -> str:
    """Returns the name of a module's class; of one that flax transformed, as by nn.remat, that of the class before."""
    own, base = type(module), type(module).__mro__[1]
    transformed = base is not nn.Module and issubclass(base, nn.Module) and own.__qualname__.endswith(base.__name__)
    return base.__name__ if transformed and own.__module__.startswith("flax.") else own.__name__


def _said(module: nn.Module, args: Any) -> str:
    shape = next((each.shape for each in _arrays(args)), ())
    if isinstance(module, GroupNorm) and shape:
        return f"{module.groups_of(shape[-1])[0]} groups"
    if isinstance(module, nn.GroupNorm) and shape:
        groups = module.num_groups or shape[-1] // (module.group_size or 1)
        return f"{groups} groups"
    if isinstance(module, Conv) and module.fill != "zero" and shape:
        pads = resolve_padding(module.padding, shape[1:3], module.kernel_size, module.strides, module.dilation)
        return f"{padding_text(pads)}, {module.fill}"
    return ""


def padding_text(pads: Sequence[tuple[int, int]]) -> str:
    """Returns "padding 3", or the cells before and after along each axis: "padding (0, 1) x (2, 2)"; "" for none."""
    amounts = {amount for pair in pads for amount in pair}
    if amounts <= {0}:
        return ""
    return (
        f"padding {amounts.pop()}" if len(amounts) == 1 else "padding " + " x ".join(str(tuple(pair)) for pair in pads)
    )


def number_of(equation: JaxprEqn, outer: int | None) -> int | None:
    """Returns the number of the innermost call that an operation belongs to.

    Args:
        equation: the operation.
        outer: the call around the jaxpr that it is in; None: there is none.
    """
    numbers = _NUMBER.findall(str(equation.source_info.name_stack))
    return int(numbers[-1]) if numbers else outer


def output_of(equation: JaxprEqn) -> int | None:
    """Returns the number of the call whose output an operation marks; None for any other operation."""
    name = equation.params["name"] if equation.primitive.name == "name" else ""
    return int(name.removeprefix(_OUTPUT)) if name.startswith(_OUTPUT) else None

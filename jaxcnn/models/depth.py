"""The depth of each part of a net, in the order in which it is computed. It needs only shapes."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import flax.linen as nn
import jax

from jaxcnn.layers.variables import loop_of
from jaxcnn.models.net import Net

Path = tuple[str, ...]


@contextlib.contextmanager
def order_of_calls() -> Iterator[dict[Path, bool]]:
    """Gives a dict of the paths of the modules that are called inside, in order, and whether each is a net of ours.

    Inside, initialise or apply a net, under `jax.eval_shape` or another trace.
    """
    called: dict[Path, bool] = {}

    def note(call: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
        if context.module.scope is not None:
            called.setdefault(context.module.path, isinstance(context.module, Net))
        return call(*args, **kwargs)

    with nn.intercept_methods(note):
        yield called


def depths_of(called: Mapping[Path, bool], params: Any) -> dict[Path, range]:
    """Returns the depths of a net's parts by path, in the order of computation; they begin with 0.

    A part is a submodule of the net with parameters. Of a net that is inside of another, and of a module that holds all
    parameters, the submodules are parts. One depth is shared by a part with kernels and those without that follow it,
    as norms do. Blocks that run in a loop have a depth for each turn.

    Args:
        called: of `order_of_calls`.
        params: of the net, or their shapes.
    """
    opened = _opened(params, {path for path, net in called.items() if net})
    depths: dict[Path, range] = {}
    for path in called:
        end = next((end for end in range(1, len(path) + 1) if path[:end] not in opened), None)
        tree = None if end is None else _at(params, path[:end])
        if tree is not None and path[:end] not in depths:
            depths[path[:end]] = _next(depths, path[:end], tree)
    return depths


def _next(depths: Mapping[Path, range], path: Path, tree: Any) -> range:
    """Returns the depths of a part, whose parameters are `tree`, behind those of all parts before it."""
    before = list(depths.values())[-1] if depths else range(0)
    loop, leaves = bool(loop_of(path)), jax.tree.leaves(tree)
    if before and not any(leaf.ndim - loop > 1 for leaf in leaves):
        return before[-1:]
    turns = leaves[0].shape[0] if loop else 1
    return range(before.stop, before.stop + turns)


def _opened(params: Any, nets: set[Path]) -> set[Path]:
    """Returns the paths of the modules whose submodules are parts: the net, nets in it, and what holds all of one."""
    path: Path = ()
    opened = {path, *nets}
    while len(inner := _modules(params, path)) == 1 and _modules(params, (*path, *inner)):
        path = (*path, *inner)
        opened.add(path)
    return opened


def _modules(params: Any, path: Path) -> list[str]:
    """Returns the names of the submodules with parameters of a module."""
    tree = _at(params, path)
    return [name for name, inner in tree.items() if isinstance(inner, Mapping)] if isinstance(tree, Mapping) else []


def _at(tree: Any, path: Path) -> Any | None:
    """Returns a part of nested dictionaries; None if it is not there."""
    for name in path:
        tree = tree.get(name) if isinstance(tree, Mapping) else None
    return tree

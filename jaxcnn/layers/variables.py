"""The variables of a net, as shapes: nothing is computed or compiled."""

from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.core import meta

from jaxcnn.types import Array, Variables

STATISTICS = "batch_stats"
"""The collection of the running statistics of batch norms."""
LOOP = "_rest"
"""End of the name of a block that `jaxcnn.layers.blocks.repeat` runs in a loop."""
SOWN = frozenset({"intermediates", "aux_logits", "perturbations"})
"""Collections that hold values of a single call."""


def abstract_variables(model: nn.Module, image_shape: tuple[int, int, int]) -> dict[str, Any]:
    """Returns the shapes and dtypes of `init_variables`. Nothing is computed."""
    return jax.eval_shape(lambda: init_variables(model, image_shape, jax.random.key(0)))


def parameter_count(params: Any) -> int:
    """Returns the number of scalars in a tree of parameters, or of their shapes."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def init_variables(model: nn.Module, image_shape: tuple[int, int, int], key: Array) -> dict[str, Any]:
    """Returns a net's initial `params`, and all other collections that it keeps between calls.

    A collection without variables is left out.

    Args:
        model: called as (image, train=...).
        image_shape: (height, width, channels).
        key: () typed key.
    """
    return kept(model.init(streams(key), jnp.zeros((1, *image_shape), jnp.float32), train=False))


def path_name(path: tuple[Any, ...]) -> str:
    """Returns the path of a leaf of a tree, as jax gives it, as text: "stage1_block1/conv1/kernel"."""
    return jax.tree_util.keystr(path, simple=True, separator="/")


def by_path(tree: Any) -> dict[str, Any]:
    """Returns the leaves of a tree by the names of their paths, in the order of the tree."""
    return {path_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def replaced(variables: Variables, arrays: Mapping[str, Array]) -> dict[str, Any]:
    """Returns variables with other arrays in the place of some, by path, as "params/conv1/kernel"."""

    def one(path: Any, leaf: Array) -> Array:
        return arrays.get(path_name(path), leaf)

    return jax.tree_util.tree_map_with_path(one, dict(variables))


def streams(key: Array) -> dict[str, Array]:
    """Returns the streams of random numbers that a net is given: flax takes any other from "params"."""
    return {"params": key, "dropout": key}


def kept(variables: Variables) -> dict[str, Any]:
    """Returns the collections that a net keeps between calls: all but the sown ones, which flax puts into tuples.

    Values in flax's boxes (`nn.with_partitioning`, NNX modules) are unboxed.
    """
    found = {name: tree for name, tree in variables.items() if name not in SOWN and not _is_sown(tree)}
    return meta.unbox(found)


def _is_sown(tree: Any) -> bool:
    return any(type(leaf) is tuple for leaf in jax.tree.leaves(tree, is_leaf=lambda node: type(node) is tuple))


def stage_outputs(sown: Variables) -> dict[str, Array]:
    """Returns what a net sowed as the outputs of its stages, by name, in the order in which it was computed.

    Args:
        sown: the collections that a net has made or changed, with "intermediates" mutable.
    """
    found = sown.get("intermediates", {})
    return {name: value[-1] for name, value in found.items() if isinstance(value, tuple)}


def loop_of(path: Sequence[str]) -> str:
    """Returns the name of the loop that contains a module or a variable, or "".

    The variables of a loop have an additional first axis, its turns.

    Args:
        path: names, from the net's submodule inwards.
    """
    return next((name for name in path if name.endswith(LOOP)), "")

"""The variables of a net, as shapes: nothing is computed or compiled."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.core import meta

from jaxcnn.types import Array, Variables

LOOP = "_rest"
"""How the name of a block ends that `jaxcnn.layers.blocks.repeat` runs in a loop."""
SOWN = frozenset({"intermediates", "aux_logits", "perturbations"})
"""Collections that hold what one call has seen, and nothing for the next."""


def abstract_variables(model: nn.Module, image_shape: tuple[int, int, int]) -> dict[str, Any]:
    """Returns the shapes and dtypes of what `init_variables` gives; nothing is computed."""
    return jax.eval_shape(lambda: init_variables(model, image_shape, jax.random.key(0)))


def init_variables(model: nn.Module, image_shape: tuple[int, int, int], key: Array) -> dict[str, Any]:
    """Returns a net's fresh `params`, and every other collection that it keeps from call to call.

    A net that has none of one of them has no such key either.

    Args:
        model: called as (image, train=...).
        image_shape: (height, width, channels).
        key: () typed key.
    """
    return kept(model.init(streams(key), jnp.zeros((1, *image_shape), jnp.float32), train=False))


def streams(key: Array) -> dict[str, Array]:
    """Returns the streams of random numbers that a net is given: flax takes any other from "params"."""
    return {"params": key, "dropout": key}


def kept(variables: Variables) -> dict[str, Any]:
    """Returns the collections that a net keeps from call to call: all but what it sows, which flax puts into tuples.

    What stands in flax's boxes (`nn.with_partitioning`, NNX modules) is taken out of them.
    """
    found = {name: tree for name, tree in variables.items() if name not in SOWN and not _is_sown(tree)}
    return meta.unbox(found)


def _is_sown(tree: Any) -> bool:
    return any(type(leaf) is tuple for leaf in jax.tree.leaves(tree, is_leaf=lambda node: type(node) is tuple))


def loop_of(path: Sequence[str]) -> str:
    """Returns the name of the loop that a module or a variable is in, or an empty one.

    The variables of a loop have its turns as a further first axis.

    Args:
        path: names from the net's own submodule inwards.
    """
    return next((name for name in path if name.endswith(LOOP)), "")

"""The variables of a net, as shapes: nothing is computed or compiled."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn.types import Variables

LOOP = "_rest"
"""How the name of a block ends that `jaxcnn.layers.blocks.repeat` runs in a loop."""


def abstract_variables(model: nn.Module, image_shape: tuple[int, int, int]) -> Variables:
    """Returns the shapes and dtypes of a net's `params` and `batch_stats` for images (height, width, channels).

    A net that has none of one of them has no such key either.
    """
    image = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    shapes = jax.eval_shape(model.init, jax.random.key(0), image)
    return {key: shapes[key] for key in ("params", "batch_stats") if key in shapes}


def loop_of(path: Sequence[str]) -> str:
    """Returns the name of the loop that a module or a variable is in, or an empty one.

    The variables of a loop have its turns as a further first axis.

    Args:
        path: names from the net's own submodule inwards.
    """
    return next((name for name in path if name.endswith(LOOP)), "")

"""The variables of a net, as shapes: nothing is computed or compiled."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn.types import Variables


def abstract_variables(model: nn.Module, image_shape: tuple[int, int, int]) -> Variables:
    """Returns the shapes and dtypes of a net's `params` and `batch_stats` for images (height, width, channels).

    A net that has none of one of them has no such key either.
    """
    image = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    shapes = jax.eval_shape(model.init, jax.random.key(0), image)
    return {key: shapes[key] for key in ("params", "batch_stats") if key in shapes}

"""Takes the gradient of a batch in parts, one after the other, so that only one part is in memory."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxcnn.types import Array, Batch


def accumulated(gradient: Callable[..., Any], parts: int) -> Callable[..., Any]:
    """Returns `gradient` taken over `parts` of the batch in turn, averaged; collections pass through.

    The parts are a loop in the compiled program, so that its size and the time to compile it do not grow with them.

    Args:
        gradient: (params, collections, batch, key) -> ((loss, (collections, sums, seen)), gradients).
        parts: number of parts; part i has the examples i, i + parts and so on. 1 returns `gradient` itself.

    Returns:
        A function of the same arguments and results. Loss and gradients are means over the parts, and sums are added.
        What was seen, arrays whose first axis is the batch, is in the order of the batch.
    """
    if parts == 1:
        return gradient

    def over_parts(params: Any, collections: Any, batch: Batch, key: Array) -> Any:
        # a part is strided, not a block, so that every device keeps its own examples
        strided = jax.tree.map(lambda leaf: leaf.reshape(-1, parts, *leaf.shape[1:]), dict(batch))

        def take(carry: Any, part: Array) -> tuple[Any, Any]:
            collections, total = carry
            chosen = jax.tree.map(lambda leaf: jax.lax.dynamic_index_in_dim(leaf, part, 1, keepdims=False), strided)
            (loss, (collections, sums, seen)), new = gradient(
                params, collections, chosen, jax.random.fold_in(key, part)
            )
            found = loss / parts, sums, jax.tree.map(lambda leaf: leaf / parts, new)
            return (collections, jax.tree.map(jnp.add, total, found)), seen

        first = jax.tree.map(lambda leaf: leaf[:, 0], strided)
        (loss, (_, sums, _)), _ = jax.eval_shape(gradient, params, collections, first, key)
        none = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), (loss, sums, params))
        (collections, (loss, sums, gradients)), seen = jax.lax.scan(take, (collections, none), jnp.arange(parts))
        seen = jax.tree.map(lambda leaf: jnp.swapaxes(leaf, 0, 1).reshape(-1, *leaf.shape[2:]), seen)
        return (loss, (collections, sums, seen)), gradients

    return over_parts

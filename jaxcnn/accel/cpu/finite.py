"""Whether a training step is finite, in as few kernels as can be: XLA for CPUs compiles one for each array."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from jaxcnn.types import Array

_SMALL = 2**12
"""Numbers in an array so small that copies of all such arrays of a net are not felt."""


def choose_whole(gradients: Any, updates: Any, further: Any, new: Any, kept: Any) -> tuple[Array, Any]:
    """Returns what `jaxcnn.train.finite.choose_each` does; the state is chosen as a whole, not array by array.

    It looks at the new parameters in place of the updates, which so need no memory, and a kernel each, of their own.
    Their squares are not finite either where a finite update takes them over 1e19.

    Args:
        gradients: a tree of float arrays.
        updates: likewise.
        further: likewise, whose squares may overflow.
        new: a state, whose `params` are the new parameters.
        kept: a tree of the same structure.
    """
    del updates
    finite = finite_by_rows((gradients, new.params), further)
    return finite, jax.lax.cond(finite, lambda new, _: new, lambda _, kept: kept, new, kept)


def finite_by_rows(squared: Any, further: Any) -> Array:
    """Returns () bool: whether the squares of the numbers of `squared` are finite, and all numbers of `further`.

    Of large arrays, the sums of the rows stand for the numbers: they are products, which a library computes, where XLA
    compiles two or three kernels for a large sum.
    """
    numbers = [_weighed(array, math.sqrt(jnp.finfo(array.dtype).max)) for array in _joined(squared)]
    numbers += [_weighed(array, 1.0) for array in _joined(further)]
    return jnp.isfinite(jnp.sum(jnp.concatenate(numbers) * 0))


def _joined(tree: Any) -> list[Array]:
    """Returns the arrays of a tree, the small ones joined: each alone takes XLA as long as a large one, to compile."""
    leaves = jax.tree.leaves(tree)
    joined = [leaf.ravel() for leaf in leaves if leaf.size <= _SMALL]
    return [leaf for leaf in leaves if leaf.size > _SMALL] + ([jnp.concatenate(joined)] if joined else [])


def _weighed(x: Array, weight: float) -> Array:
    """Returns x * weight; of more than one axis its sums over the last, four times each.

    For a product with one vector, XLA compiles a kernel.
    """
    if x.ndim == 1:
        return x * weight
    return (x.reshape(-1, x.shape[-1]) @ jnp.full((x.shape[-1], 4), weight, x.dtype)).ravel()

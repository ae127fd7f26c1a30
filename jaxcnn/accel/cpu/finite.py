"""Checks on a CPU whether a training step is finite, with few kernels, since XLA takes long to compile each of them."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from jaxcnn.types import Array

_SMALL = 2**12
"""Most numbers in an array that is copied to be checked with others: copying takes time in proportion to the size."""


def choose_whole(gradients: Any, updates: Any, further: Any, new: Any, kept: Any) -> tuple[Array, Any]:
    """Returns the result of `jaxcnn.train.finite.choose_each`, but chooses the state as a whole, not array by array.

    It checks the new parameters instead of the updates. The updates then need no memory and no kernels of their own.
    Unlike `choose_each`, it refuses new parameters above 1e19, whose squares overflow.

    Args:
        gradients: a tree of float arrays.
        updates: likewise; not used.
        further: a tree of float arrays whose squares may overflow.
        new: a state, whose `params` are the new parameters.
        kept: a state of the same structure.
    """
    del updates
    finite = finite_by_rows((gradients, new.params), further)
    return finite, jax.lax.cond(finite, lambda new, _: new, lambda _, kept: kept, new, kept)


def finite_by_rows(squared: Any, further: Any) -> Array:
    """Returns () bool: whether the squares of all numbers in `squared`, and all numbers in `further`, are finite.

    XLA compiles two or three kernels for the sum of a large array. Sums of its rows are a matrix product instead, which
    a library computes without any.
    """
    numbers = [_weighed(array, math.sqrt(jnp.finfo(array.dtype).max)) for array in _joined(squared)]
    numbers += [_weighed(array, 1.0) for array in _joined(further)]
    return jnp.isfinite(jnp.sum(jnp.concatenate(numbers) * 0))


def _joined(tree: Any) -> list[Array]:
    """Returns the arrays of a tree, with the small ones in one array: XLA compiles as long for small as for large."""
    leaves = jax.tree.leaves(tree)
    joined = [leaf.ravel() for leaf in leaves if leaf.size <= _SMALL]
    return [leaf for leaf in leaves if leaf.size > _SMALL] + ([jnp.concatenate(joined)] if joined else [])


def _weighed(x: Array, weight: float) -> Array:
    """Returns x * weight; if x has several axes, its sums over the last one, four times each.

    Four times, because XLA compiles a kernel for a product with one vector, but not for one with four.
    """
    if x.ndim == 1:
        return x * weight
    return (x.reshape(-1, x.shape[-1]) @ jnp.full((x.shape[-1], 4), weight, x.dtype)).ravel()

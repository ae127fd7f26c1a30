"""Keeps XLA from fusing an operation into its readers."""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import jaxpr_as_fun

from jaxcnn.types import Array

Made = TypeVar("Made")


def settle(value: Array) -> Array:
    """Returns the value, computed once and stored.

    On a CPU, XLA fuses an operation into every operation that reads it, and then computes it again for each neighbour,
    channel or sum that they read. An optimization barrier does not prevent this, since XLA removes it before it fuses.
    Here the value passes through a conditional: XLA fuses nothing across it, and cannot simplify it, because a barrier
    hides its predicate. Without this, a chain of five augmentations takes ten times as long. On other platforms this is
    an optimization barrier.
    """
    return lax.platform_dependent(value, cpu=_keep, default=lax.optimization_barrier)


def _keep(value: Array) -> Array:
    always = lax.optimization_barrier(jnp.ones((), bool))
    return lax.cond(always, lambda kept: kept, jnp.zeros_like, value)


def _zeros(like: Any) -> Array:
    """Returns zeros like `like`, an abstract value: of its shape and dtype, varying over the same `shard_map` axes."""
    zeros, axes = jnp.zeros(like.shape, like.dtype), tuple(like.manual_axis_type.varying)
    return lax.pcast(zeros, axes, to="varying") if axes else zeros


def apart(make: Callable[[], Made]) -> Made:
    """Returns `make()`, a tree of arrays. On a CPU it is not fused with the operations before and after it.

    Like `settle`, it uses a conditional, but around the whole computation: no array is copied.
    """
    traced, shapes = jax.make_jaxpr(make, return_shape=True)()  # once for all platforms: tracing may take long
    again = jaxpr_as_fun(traced)

    def alone() -> list[Array]:
        always = lax.optimization_barrier(jnp.ones((), bool))
        return lax.cond(always, again, lambda: [_zeros(leaf) for leaf in traced.out_avals])

    return jax.tree.unflatten(jax.tree.structure(shapes), lax.platform_dependent(cpu=alone, default=again))

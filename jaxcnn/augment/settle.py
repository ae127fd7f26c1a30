"""Where XLA shall stop fusing."""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import jaxpr_as_fun

from jaxcnn.types import Array

Made = TypeVar("Made")


def settle(value: Array) -> Array:
    """Returns the value, computed once and kept.

    On a CPU, XLA fuses an operation into all that read it and computes it again for each neighbour, channel or sum that
    they read; in a chain of five augmentations that makes it ten times as slow. There an optimization barrier is
    taken out before fusion, but nothing is fused across a conditional, and one whose predicate stands behind a barrier
    stays. The other branch is never taken.
    """
    return lax.platform_dependent(value, cpu=_keep, default=lax.optimization_barrier)


def _keep(value: Array) -> Array:
    always = lax.optimization_barrier(jnp.ones((), bool))
    return lax.cond(always, lambda kept: kept, jnp.zeros_like, value)


def _zeros(like: Any) -> Array:
    """Returns zeros that vary over the mapped axes over which `like`, an abstract value, does."""
    zeros, axes = jnp.zeros(like.shape, like.dtype), tuple(like.manual_axis_type.varying)
    return lax.pcast(zeros, axes, to="varying") if axes else zeros


def apart(make: Callable[[], Made]) -> Made:
    """Returns `make()`, a tree of arrays, on a CPU fused with nothing before it or after it.

    What it reads has been written, and what it makes is written once; unlike `settle`, this copies nothing.
    """
    traced, shapes = jax.make_jaxpr(make, return_shape=True)()  # once for all platforms: it may be long
    again = jaxpr_as_fun(traced)

    def alone() -> list[Array]:
        always = lax.optimization_barrier(jnp.ones((), bool))
        return lax.cond(always, again, lambda: [_zeros(leaf) for leaf in traced.out_avals])

    return jax.tree.unflatten(jax.tree.structure(shapes), lax.platform_dependent(cpu=alone, default=again))

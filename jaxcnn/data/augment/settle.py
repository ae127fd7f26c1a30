"""Where XLA shall stop fusing."""

import jax.numpy as jnp
from jax import lax

from jaxcnn.types import Array


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

"""What XLA for CPUs is to compute once, where it would rather do so in each place that uses it."""

from collections.abc import Callable

import jax.numpy as jnp
from jax import lax

from jaxcnn.accel.form import shared
from jaxcnn.types import Array


def once(function: Callable[..., Array], *operands: Array) -> Array:
    """Returns function(*operands), as an array in memory.

    XLA takes sums of many shifted images for cheap, and fuses them, with all that goes before, into everything that
    uses them. `lax.optimization_barrier` does not hinder it: it is taken out before. But it is there long enough to
    keep a condition unknown, and into the branches of a choice nothing is fused.
    """

    def never(*operands: Array) -> Array:
        return jnp.zeros_like(function(*operands))

    return lax.cond(lax.optimization_barrier(jnp.bool_(True)), function, never, *operands)


def stored(x: Array) -> Array:
    """Returns x, which is in memory before it is used, and its gradient too.

    For the sums that run through a whole net. XLA takes each for cheap, and whatever uses the sum at the end of a
    residual block would add up the branches of all blocks before it again: work that grows with the square of depth.

    Args:
        x: any shape and dtype.
    """
    return shared(_stored, x)


def _stored(x: Array) -> Array:
    return once(_same, x)


def _same(x: Array) -> Array:
    return x

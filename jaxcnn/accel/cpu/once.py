"""Makes XLA on a CPU compute a value once, instead of again in each operation that reads it."""

from collections.abc import Callable

import jax.numpy as jnp
from jax import lax

from jaxcnn.accel.form import shared
from jaxcnn.types import Array


def once(function: Callable[..., Array], *operands: Array) -> Array:
    """Returns `function(*operands)`, computed once and stored in memory.

    XLA considers sums of many shifted images cheap. It fuses them, with all operations before them, into every
    operation that reads them, and so computes them again in each. `lax.optimization_barrier` does not prevent this,
    since XLA removes it before it fuses. Here the function is a branch of a conditional, into which XLA fuses nothing;
    a barrier hides the predicate until XLA can no longer simplify the conditional.
    """

    def never(*operands: Array) -> Array:
        return jnp.zeros_like(function(*operands))

    return lax.cond(lax.optimization_barrier(jnp.bool_(True)), function, never, *operands)


def stored(x: Array) -> Array:
    """Returns x (any shape and dtype), stored in memory before it is read, and so is its gradient.

    It is for sums that run through a whole net. XLA considers each of them cheap. Without this, every operation that
    reads the sum at the end of a residual block would add the branches of all earlier blocks again, which takes time in
    proportion to the square of the depth.
    """
    return shared(_stored, x)


def _stored(x: Array) -> Array:
    return once(_same, x)


def _same(x: Array) -> Array:
    return x

"""Which states stochastic weight averaging takes, and the learning rate meanwhile (Izmailov et al. 2018).

The paper is arXiv:1803.05407.
"""

import dataclasses
import math
from fractions import Fraction

import jax.numpy as jnp
import optax

from jaxcnn.types import Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class Snapshots:
    """The states whose parameters are averaged: the first at or after `start`, and one after each further `every`."""

    start: Fraction
    """In steps, not rounded, at least 1."""
    every: Fraction
    """In steps, not rounded, at least 1."""
    learning_rate: float | None = None
    """From the first state on; None: as before."""
    end_factor: float = 1.0
    """The learning rate falls in a line to this share of it between two states."""

    @property
    def first(self) -> int:
        """The step of the first state."""
        return math.ceil(self.start)

    def next(self, step: int) -> int:
        """Returns the step of the first state after `step`."""
        if step < self.first:
            return self.first
        return math.ceil(self.start + ((step - self.start) // self.every + 1) * self.every)

    def at(self, step: int) -> bool:
        """Returns whether the state of `step` is averaged."""
        return self.next(step - 1) == step

    def count(self, total: int) -> int:
        """Returns how many states a run of so many steps averages."""
        return max(math.floor((total - self.start) / self.every) + 1, 0)

    def rate(self, before: optax.Schedule) -> optax.Schedule:
        """Returns the learning rate of the whole run: `before` up to the first state, then that of averaging.

        It is constant, or cyclic as in section 3.2 of the paper: lowest in the last step before each state.
        """
        if self.learning_rate is None:
            return before
        peak, every, falls = self.learning_rate, float(self.every), 1.0 - self.end_factor

        def rate(step: Array) -> Array:
            since = jnp.maximum(jnp.asarray(step) - self.first, 0).astype(jnp.float32)
            passed = jnp.minimum((since + 1 - jnp.floor(since / every) * every) / every, 1.0)
            return jnp.where(step < self.first, before(step), peak * (1.0 - falls * passed))

        return rate

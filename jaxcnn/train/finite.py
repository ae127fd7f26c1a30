"""What becomes of a training step that is not finite."""

from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from jaxcnn.train.state import TrainState, floats
from jaxcnn.types import Array, Batch, Metrics

Choose: TypeAlias = Callable[[Any, Any, Any, TrainState, TrainState], tuple[Array, TrainState]]
"""(gradients, updates, further, new, kept) -> () bool, whether all is finite, and then `new`, else `kept`."""


def guard(
    old: TrainState,
    new: TrainState,
    gradients: Any,
    updates: Any,
    loss: Array,
    sums: Metrics,
    *,
    skip: bool,
    choose: Choose | None = None,
) -> tuple[TrainState, Metrics]:
    """Returns the new state and its metrics where all is finite, else the old state.

    Args:
        old: before the step.
        new: after it.
        gradients: of the loss for `old.params`.
        updates: of the optimizer, a tree of the same shapes.
        loss: () of the step.
        sums: metrics of the step; `nonfinite`, 1 where it is not finite, is added to them.
        skip: the old state goes one step on, and the other metrics are 0.
        choose: what is equal to `choose_each` and faster; None: `choose_each`.
    """
    kept = old.replace(step=new.step) if skip else old
    finite, state = (choose or choose_each)(gradients, updates, (loss, floats(new.collections)), new, kept)
    if skip:
        sums = jax.tree.map(lambda value: jnp.where(finite, value, jnp.zeros_like(value)), sums)
    return state, sums | {"nonfinite": jnp.where(finite, 0, 1).astype(jnp.int32)}


def guarded(step: Callable[..., Any], on_nonfinite: str, choose: Choose | None = None) -> Callable[..., Any]:
    """Returns a training step of a user's own that leaves the state as it was where it, or the loss, is not finite.

    Args:
        step: (state, batch, key) -> (state, sums).
        on_nonfinite: "stop", or "skip": as of `guard`.
        choose: likewise.
    """

    def guarded_step(state: TrainState, batch: Batch, key: Array) -> tuple[TrainState, Metrics]:
        new, sums = step(state, batch, key)
        moved = jax.tree.map(jnp.subtract, new.params, state.params)
        return guard(state, new, moved, moved, sums["loss"], dict(sums), skip=on_nonfinite == "skip", choose=choose)

    return guarded_step


def choose_each(
    gradients: Any, updates: Any, further: Any, new: TrainState, kept: TrainState
) -> tuple[Array, TrainState]:
    """Returns whether a step is finite, and the state that it leaves, chosen array by array; see `Choose`."""
    finite = all_finite(gradients, updates, further)
    return finite, jax.tree.map(lambda new, kept: jnp.where(finite, new, kept), new, kept)


def all_finite(gradients: Any, updates: Any, further: Any) -> Array:
    """Returns () bool: whether all numbers are finite, and so are the sums of squares of gradients and updates.

    As optimizers square a gradient, one whose square overflows would leave them infinite while it changes no parameter.
    """
    pairs = zip(jax.tree.leaves(gradients), jax.tree.leaves(updates), strict=True)
    sums = [jnp.sum(jnp.square(gradient) + jnp.square(update)) for gradient, update in pairs]
    sums += [jnp.sum(array * 0) for array in jax.tree.leaves(further)]
    return jnp.all(jnp.isfinite(jnp.stack(sums)))

"""Handles training steps that are not finite."""

from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from jaxcnn.train.state import TrainState, floats
from jaxcnn.types import Array, Batch, Metrics

Choose: TypeAlias = Callable[[Any, Any, Any, TrainState, TrainState], tuple[Array, TrainState]]
"""(gradients, updates, further, new, kept) -> whether all is finite, () bool, and `new` if it is, else `kept`."""


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
    """Returns the new state and its metrics if all is finite, else the old state.

    Args:
        old: the state before the step.
        new: the state after the step.
        gradients: of the loss with respect to `old.params`.
        updates: of the optimizer, a tree of the same shapes.
        loss: () of the step.
        sums: metrics of the step. `nonfinite` is added to them: 1 if the step is not finite.
        skip: if the step is not finite, the old state's step number still grows by 1, and the other metrics are 0.
        choose: a faster equivalent of `choose_each`; None for `choose_each` itself.
    """
    kept = old.replace(step=new.step) if skip else old
    finite, state = (choose or choose_each)(gradients, updates, (loss, floats(new.collections)), new, kept)
    if skip:
        sums = jax.tree.map(lambda value: jnp.where(finite, value, jnp.zeros_like(value)), sums)
    return state, sums | {"nonfinite": jnp.where(finite, 0, 1).astype(jnp.int32)}


def guarded(step: Callable[..., Any], on_nonfinite: str, choose: Choose | None = None) -> Callable[..., Any]:
    """Returns a user's training step that does not change the state if the new state or the loss is not finite.

    Args:
        step: (state, batch, key) -> (state, sums).
        on_nonfinite: "stop" or "skip", as in `make_train_step`.
        choose: as in `guard`.
    """

    def guarded_step(state: TrainState, batch: Batch, key: Array) -> tuple[TrainState, Metrics]:
        new, sums = step(state, batch, key)
        moved = jax.tree.map(jnp.subtract, new.params, state.params)
        return guard(state, new, moved, moved, sums["loss"], dict(sums), skip=on_nonfinite == "skip", choose=choose)

    return guarded_step


def choose_each(
    gradients: Any, updates: Any, further: Any, new: TrainState, kept: TrainState
) -> tuple[Array, TrainState]:
    """Returns whether a step is finite, and `new` if it is, else `kept`, chosen array by array.

    Args:
        gradients: a tree of float arrays.
        updates: likewise.
        further: likewise; their squares need not be finite.
        new: the state after the step.
        kept: the state if the step is not finite.
    """
    finite = all_finite(gradients, updates, further)
    return finite, jax.tree.map(lambda new, kept: jnp.where(finite, new, kept), new, kept)


def all_finite(gradients: Any, updates: Any, further: Any) -> Array:
    """Returns () bool: whether all numbers are finite, and also the sums of squares of gradients and updates.

    Optimizers square gradients. If a square overflows, the optimizer's state becomes infinite, although the parameters
    do not.
    """
    pairs = zip(jax.tree.leaves(gradients), jax.tree.leaves(updates), strict=True)
    sums = [jnp.sum(jnp.square(gradient) + jnp.square(update)) for gradient, update in pairs]
    sums += [jnp.sum(array * 0) for array in jax.tree.leaves(further)]
    return jnp.all(jnp.isfinite(jnp.stack(sums)))

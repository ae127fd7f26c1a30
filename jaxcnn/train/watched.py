"""A training step that is looked at: its batch, what it computes of every example, and its gradient."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import jax
from jax.sharding import PartitionSpec

from jaxcnn.train.devices.mesh import AXIS, over_batch, replicated
from jaxcnn.train.gradient import Gradient, make_gradient
from jaxcnn.train.living import living_state
from jaxcnn.train.run import Run
from jaxcnn.train.seeds import Randomness, each
from jaxcnn.train.state import TrainState
from jaxcnn.train.training import gradient_parts
from jaxcnn.types import Array, Batch

Watch: TypeAlias = Callable[[TrainState, Any, Randomness], tuple[Batch, Gradient | None]]


def losses_and_logits(logits: Array, losses: Array) -> Mapping[str, Array]:
    """Returns both by name."""
    return {"logits": logits, "loss": losses}


def make_watch(run: Run) -> Watch:
    """Returns the jitted `watch(state, feed, randomness) -> (batch, gradient)`, which changes nothing.

    Batch and gradient are those of the training step that the run takes from this state. Of every example the gradient
    has `seen`, its `logits` and its `loss`. For several seeds all arrays have them as their first axis. Of a step of a
    user's own the gradient is None.

    Args:
        run: whose step it is; on its mesh.
    """
    get_batch, gradient = run.batches_on(run.mesh), None if run.step is not None else _gradient(run)

    def watch(state: TrainState, feed: Any, randomness: Randomness) -> tuple[Batch, Gradient | None]:
        batch = jax.lax.with_sharding_constraint(get_batch(feed, state.step, randomness.seed), over_batch(run.mesh))
        return batch, None if gradient is None else gradient(state, batch, randomness.key)

    return jax.jit(each(watch, run.num_seeds, in_axes=(0, None, 0)), out_shardings=replicated(run.mesh))


def _gradient(run: Run) -> Callable[[TrainState, Batch, Array], Gradient]:
    frozen = run.groups.frozen
    taken = make_gradient(**gradient_parts(run, run.mesh), frozen=frozen, look=losses_and_logits)

    def gradient(state: TrainState, batch: Batch, key: Array) -> Gradient:
        return taken(state, living_state(state, frozen, run.tx), batch, key)

    if not run.mapped:
        return gradient
    here, split = PartitionSpec(), PartitionSpec(AXIS)
    places: dict[str, Any] = {"loss": here, "collections": here, "sums": here, "params": here, "seen": split}
    mapped: Any = functools.partial(jax.shard_map, mesh=run.mesh, check_vma=False)
    return mapped(gradient, in_specs=(here, split, here), out_specs=Gradient(**places))

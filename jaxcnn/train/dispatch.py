"""Several training steps in one compiled call."""

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
from jax.sharding import Mesh, PartitionSpec

from jaxcnn.train.devices.mesh import AXIS, over_batch, replicated
from jaxcnn.train.parts import metrics
from jaxcnn.train.seeds import Randomness, each
from jaxcnn.train.state import TrainState
from jaxcnn.train.step import TrainStep
from jaxcnn.types import Array, Batch, Metrics

Carry: TypeAlias = tuple[TrainState, Metrics]
Dispatch: TypeAlias = Callable[..., Carry]


def make_dispatch(
    train_step: TrainStep,
    get_batch: Callable[[Any, Array, Array], Batch],
    mesh: Mesh,
    *,
    rolled: bool,
    mapped: bool = False,
    num_seeds: int = 1,
) -> Dispatch:
    """Returns the jitted `dispatch(state, sums, feed, randomness, num_steps) -> (state, sums)`.

    It takes `num_steps` training steps and adds their metrics to `sums`. State and sums are donated.

    Args:
        train_step: (state, batch, key) -> (state, metrics).
        get_batch: (feed, step, seed) -> batch, which is then split over the mesh.
        mesh: of devices.
        rolled: steps are scanned, so that compile time does not grow with their number. Use False on a CPU, where XLA
            runs a loop some twenty times slower.
        mapped: every device takes the step on its own part of the batch, as in `jax.pmap`, and the step sums over the
            axis that it was made with. Else the compiler divides the step on the whole batch.
        num_seeds: if above 1, the first axis of state, sums and randomness; each seed has its own batches.
    """
    if mapped:
        here, split = PartitionSpec(), PartitionSpec(AXIS)
        train_step = jax.shard_map(train_step, mesh=mesh, in_specs=(here, split, here), out_specs=here, check_vma=False)

    def take(carry: Carry, feed: Any, randomness: Randomness) -> Carry:
        state, sums = carry
        batch = jax.lax.with_sharding_constraint(get_batch(feed, state.step, randomness.seed), over_batch(mesh))
        state, new = train_step(state, batch, randomness.key)
        return state, metrics.add(sums, new)

    one_step = each(take, num_seeds, in_axes=(0, None, 0))

    @functools.partial(
        jax.jit, static_argnames="num_steps", donate_argnames=("state", "sums"), out_shardings=replicated(mesh)
    )
    def dispatch(state: TrainState, sums: Metrics, feed: Any, randomness: Randomness, *, num_steps: int) -> Carry:
        carry = state, sums
        if rolled and num_steps > 1:
            return jax.lax.scan(lambda carry, _: (one_step(carry, feed, randomness), None), carry, length=num_steps)[0]
        for _ in range(num_steps):
            carry = one_step(carry, feed, randomness)
        return carry

    return dispatch

"""The gradient of a training step: a pure function of given parts, for the step itself and for whoever looks at one."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from flax.core import meta

from jaxcnn.train.accumulate import accumulated
from jaxcnn.train.parts.frozen import Frozen, whole
from jaxcnn.train.parts.losses import LossFn
from jaxcnn.train.parts.metrics import DEFAULT, MetricFns, summed
from jaxcnn.train.state import TrainState
from jaxcnn.types import Array, Batch, Metrics

AUXILIARY = "aux_logits"
"""Collection into which a net sows the logits of its auxiliary heads in training."""
Look: TypeAlias = Callable[[Array, Array], Mapping[str, Array]]
"""(logits, losses) -> arrays by name, whose first axis is the batch."""


class Gradient(NamedTuple):
    """What a step computes before the optimizer does."""

    loss: Array
    """() that is minimised, with those of auxiliary heads."""
    collections: dict[str, Any]
    """The net's other collections, such as running statistics, after the step."""
    sums: Metrics
    """Of the step's metrics."""
    params: Any
    """The gradient with respect to the parameters that are trained."""
    seen: Mapping[str, Array]
    """What was looked at, of every example in the order of the batch."""


def _nothing(logits: Array, losses: Array) -> dict[str, Array]:
    del logits, losses
    return {}


def make_gradient(
    *,
    apply_fn: Callable[..., Any],
    loss_fn: LossFn,
    metrics: MetricFns = DEFAULT,
    aux_weight: float = 0.0,
    accumulate_steps: int = 1,
    axis_name: str | None = None,
    frozen: Frozen,
    look: Look = _nothing,
) -> Callable[[TrainState, TrainState, Batch, Array], Gradient]:
    """Returns `gradient(full, state, batch, key)`, which can be jitted.

    `full` is the whole state, and `state` the part of it that is trained (`jaxcnn.train.living`). Random numbers of its
    step s come from fold_in(key, s).

    Args:
        apply_fn: as of `jaxcnn.train.step.make_train_step`.
        loss_fn: likewise.
        metrics: likewise.
        aux_weight: likewise.
        accumulate_steps: likewise.
        axis_name: likewise; what is seen is then of one device's part of the batch.
        frozen: what of the net is not trained.
        look: makes what is seen of the examples.
    """
    forward = frozen.apply(apply_fn)

    def objective(full: Any, params: Any, collections: Any, batch: Batch, key: Array) -> tuple[Array, Any]:
        variables, rngs = whole({"params": params, **collections}, full), {"params": key, "dropout": key}
        logits, updated = forward(variables, batch["image"], train=True, mutable=[*collections, AUXILIARY], rngs=rngs)
        losses = loss_fn(logits, batch["label"])
        updated = meta.unbox(updated)
        heads = jax.tree.leaves(updated.get(AUXILIARY, {}))
        auxiliary = sum(jnp.mean(loss_fn(head, batch["label"])) for head in heads)
        sums = summed(logits, batch["label"], losses, functions=metrics)
        kept = frozen.living({"params": full["params"], **{name: updated[name] for name in collections}})
        new = {name: kept[name] for name in collections}
        return jnp.mean(losses) + aux_weight * auxiliary, (new, sums, dict(look(logits, losses)))

    def gradient(full: TrainState, state: TrainState, batch: Batch, key: Array) -> Gradient:
        taken = jax.value_and_grad(functools.partial(objective, full.variables), has_aux=True)
        taken = accumulated(taken, accumulate_steps)
        key = jax.random.fold_in(key, state.step)
        if axis_name is not None:
            key = jax.random.fold_in(key, jax.lax.axis_index(axis_name))
        (loss, (collections, sums, seen)), gradients = taken(state.params, state.collections, batch, key)
        if axis_name is not None:
            loss, gradients = jax.lax.pmean((loss, gradients), axis_name)
            collections = jax.tree.map(functools.partial(_averaged, axis_name=axis_name), collections)
            sums = jax.lax.psum(sums, axis_name)
        return Gradient(loss, collections, sums, gradients, seen)

    return gradient


def _averaged(leaf: Array, axis_name: str) -> Array:
    """Returns the mean of a collection's array over the devices; each has computed it from its part of the batch."""
    return jax.lax.pmean(leaf, axis_name) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

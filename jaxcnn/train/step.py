"""One step of training and one of evaluation, made of parts and pure: no config, flag or global inside."""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import optax

from jaxcnn.ops.platform import on
from jaxcnn.train import metrics
from jaxcnn.train.losses import LossFn
from jaxcnn.train.state import TrainState, update_ema
from jaxcnn.types import Array, Batch, Metrics, Variables

TrainStep: TypeAlias = Callable[[TrainState, Batch, Array], tuple[TrainState, Metrics]]
UPDATED = ("batch_stats", "aux_logits")
"""Collections that a net fills in training."""
_SMALL = 2**12
"""Numbers in an array so small that copies of all such arrays of a net are not felt."""
EvalStep: TypeAlias = Callable[[Variables, Batch], Metrics]


def make_train_step(
    *,
    apply_fn: Callable[..., Any],
    tx: optax.GradientTransformation,
    loss_fn: LossFn,
    ema_decay: float | None = None,
    aux_weight: float = 0.0,
    on_nonfinite: str | None = None,
    accumulate_steps: int = 1,
    axis_name: str | None = None,
) -> TrainStep:
    """Returns `train_step(state, batch, key) -> (state, metrics)`, to be jitted by the caller.

    Args:
        apply_fn: `model.apply` of a model made by `create_model`.
        tx: the optimizer.
        loss_fn: (logits, label) -> loss of each example; their mean over the global batch is minimised.
        ema_decay: of the moving average, whose place in the state must exist; None for none.
        aux_weight: weight of the loss of each auxiliary head.
        on_nonfinite: what becomes of a step that is not finite in its loss, gradient, update or running statistics.
            None: it is learnt from. "stop": the state stays as it is, its step number too, so that the step can be
            looked into. "skip": all but the step number stays, and no other metric is counted. The last two count it
            as `nonfinite`.

        accumulate_steps: the batch is taken in so many parts, one after the other, of which part i has the examples i,
            i + accumulate_steps, ...; their gradients are averaged. Batch norm sees a part at a time.
        axis_name: of the mapped axis that the batch is split over, for a step that pmap or shard_map maps; what is
            random then differs from device to device.

    The returned step takes `key`, the same for the whole run: what is random in step s is drawn from fold_in(key, s).
    """

    def objective(params: Any, batch_stats: Any, batch: Batch, key: Array) -> tuple[Array, tuple[Any, Metrics]]:
        variables, rngs = {"params": params, "batch_stats": batch_stats}, {"dropout": key}
        logits, updated = apply_fn(variables, batch["image"], train=True, mutable=UPDATED, rngs=rngs)
        losses = loss_fn(logits, batch["label"])
        heads = jax.tree.leaves(updated.get("aux_logits", {}))
        auxiliary = sum(jnp.mean(loss_fn(head, batch["label"])) for head in heads)
        sums = metrics.summed(logits, batch["label"], losses)
        return jnp.mean(losses) + aux_weight * auxiliary, (updated.get("batch_stats", {}), sums)

    gradient = _accumulated(jax.value_and_grad(objective, has_aux=True), accumulate_steps)

    def train_step(state: TrainState, batch: Batch, key: Array) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(key, state.step)
        if axis_name is not None:
            key = jax.random.fold_in(key, jax.lax.axis_index(axis_name))
        (loss, (batch_stats, sums)), gradients = gradient(state.params, state.batch_stats, batch, key)
        if axis_name is not None:
            loss, gradients = jax.lax.pmean((loss, gradients), axis_name)
            sums = jax.lax.psum(sums, axis_name)
        updates, opt_state = tx.update(gradients, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        ema = state.ema
        if ema_decay is not None and ema is not None:
            ema = update_ema(ema, {"params": params, "batch_stats": batch_stats}, state.step, ema_decay)
        new = TrainState(step=state.step + 1, params=params, batch_stats=batch_stats, opt_state=opt_state, ema=ema)
        if on_nonfinite is None:
            return new, sums | {"nonfinite": jnp.zeros((), jnp.int32)}
        return _guarded(state, new, gradients, updates, loss, sums, skip=on_nonfinite == "skip")

    return train_step


def _accumulated(gradient: Callable[..., Any], parts: int) -> Callable[..., Any]:
    """Returns `gradient` taken over `parts` of the batch in turn, averaged; running statistics pass through."""
    if parts == 1:
        return gradient

    def accumulated(params: Any, batch_stats: Any, batch: Batch, key: Array) -> Any:
        total: Any = None
        for part in range(parts):  # every device keeps its own examples: a part is strided, not a block
            chosen = jax.tree.map(lambda leaf: leaf.reshape(-1, parts, *leaf.shape[1:])[:, part], dict(batch))  # noqa: B023
            (loss, (batch_stats, sums)), new = gradient(params, batch_stats, chosen, jax.random.fold_in(key, part))
            found = loss / parts, sums, jax.tree.map(lambda leaf: leaf / parts, new)
            total = found if total is None else jax.tree.map(jnp.add, total, found)
        loss, sums, gradients = total
        return (loss, (batch_stats, sums)), gradients

    return accumulated


def _guarded(
    old: TrainState, new: TrainState, gradients: Any, updates: Any, loss: Array, sums: Metrics, *, skip: bool
) -> tuple[TrainState, Metrics]:
    """Returns the new state and its metrics where all is finite, else the old state, which may go one step on."""
    kept = old.replace(step=new.step) if skip else old
    finite, state = on("cpu", _either_whole, _either_each, gradients, updates, loss, new, kept)
    if skip:
        sums = jax.tree.map(lambda value: jnp.where(finite, value, jnp.zeros_like(value)), sums)
    return state, sums | {"nonfinite": jnp.where(finite, 0, 1).astype(jnp.int32)}


def _either_each(gradients: Any, updates: Any, loss: Array, new: TrainState, kept: TrainState) -> tuple[Array, Any]:
    """Returns whether the step is finite, and the state that it leaves, array by array."""
    finite = _finite(gradients, updates, (loss, new.batch_stats))
    return finite, jax.tree.map(lambda new, kept: jnp.where(finite, new, kept), new, kept)


def _either_whole(gradients: Any, updates: Any, loss: Array, new: TrainState, kept: TrainState) -> tuple[Array, Any]:
    """Returns what `_either_each` does, the state as a whole: XLA for CPUs compiles a kernel for each `where`.

    It looks at the new parameters in place of the updates, which so need no memory, and a kernel each, of their own.
    Their squares are not finite either where a finite update takes them over 1e19.
    """
    del updates
    finite = _finite_by_rows((gradients, new.params), (loss, new.batch_stats))
    return finite, jax.lax.cond(finite, lambda new, _: new, lambda _, kept: kept, new, kept)


def _finite(gradients: Any, updates: Any, further: Any) -> Array:
    """Returns () bool: whether the sums of squares of the first two are finite, and all numbers of `further`.

    Arrays of `gradients` and of `updates`, a tree of the same shapes, share a sum; small arrays too.

    The sums are laid side by side. Were they added up one by one, XLA would compute that chain, as long as there are
    arrays, anew in each fusion that uses its end, of which there are as many again: for EfficientNet-B0 two thirds of
    the program.
    """
    pairs = zip(_joined(gradients), _joined(updates), strict=True)
    checked = [jnp.square(gradient) + jnp.square(update) for gradient, update in pairs]
    checked += [array * 0 for array in _joined(further)]  # a sum of what is joined alone XLA takes apart again
    return jnp.all(jnp.isfinite(jnp.stack([jnp.sum(array) for array in checked])))


def _joined(tree: Any) -> list[Array]:
    """Returns the arrays of a tree, the small ones joined: each alone takes XLA as long as a large one, to compile."""
    leaves = jax.tree.leaves(tree)
    joined = [leaf.ravel() for leaf in leaves if leaf.size <= _SMALL]
    return [leaf for leaf in leaves if leaf.size > _SMALL] + ([jnp.concatenate(joined)] if joined else [])


def _finite_by_rows(squared: Any, further: Any) -> Array:
    """Returns () bool: whether the squares of the numbers of `squared` are finite, and all numbers of `further`.

    As optimizers square a gradient, one whose square overflows would leave them infinite while it changes no parameter.

    Of large arrays, the sums of the rows stand for the numbers: they are products, which a library computes, where XLA
    for CPUs compiles two or three kernels for a large sum.
    """
    numbers = [_weighed(array, math.sqrt(jnp.finfo(array.dtype).max)) for array in _joined(squared)]
    numbers += [_weighed(array, 1.0) for array in _joined(further)]
    return jnp.isfinite(jnp.sum(jnp.concatenate(numbers) * 0))


def _weighed(x: Array, weight: float) -> Array:
    """Returns x * weight; of more than one axis its sums over the last, four times each.

    For a product with one vector, XLA for CPUs compiles a kernel.
    """
    if x.ndim == 1:
        return x * weight
    return (x.reshape(-1, x.shape[-1]) @ jnp.full((x.shape[-1], 4), weight, x.dtype)).ravel()


def make_eval_step(*, apply_fn: Callable[..., Any], loss_fn: LossFn) -> EvalStep:
    """Returns `eval_step(variables, batch) -> metrics`: sums over the examples whose mask is 1, to be jitted.

    A batch without a `mask` counts as a whole.
    """

    def eval_step(variables: Variables, batch: Batch) -> Metrics:
        logits = apply_fn(variables, batch["image"], train=False)
        return metrics.summed(logits, batch["label"], loss_fn(logits, batch["label"]), batch.get("mask"))

    return eval_step

"""Makes the training step: a pure function of given parts, without config, flags or globals."""

from collections.abc import Callable
from typing import Any, TypeAlias

import jax.numpy as jnp
import optax

from jaxcnn.train.finite import Choose, guard
from jaxcnn.train.gradient import make_gradient
from jaxcnn.train.living import living_state, whole_state
from jaxcnn.train.parts.frozen import Frozen
from jaxcnn.train.parts.losses import LossFn
from jaxcnn.train.parts.metrics import DEFAULT, MetricFns
from jaxcnn.train.state import TrainState, update_ema
from jaxcnn.types import Array, Batch, Metrics

TrainStep: TypeAlias = Callable[[TrainState, Batch, Array], tuple[TrainState, Metrics]]


def make_train_step(
    *,
    apply_fn: Callable[..., Any],
    tx: optax.GradientTransformation,
    loss_fn: LossFn,
    metrics: MetricFns = DEFAULT,
    ema_decay: float | None = None,
    aux_weight: float = 0.0,
    on_nonfinite: str | None = None,
    choose: Choose | None = None,
    accumulate_steps: int = 1,
    axis_name: str | None = None,
    freeze: str = "",
    freeze_norms: str = "eval",
) -> TrainStep:
    """Returns `train_step(state, batch, key) -> (state, metrics)`. The caller jits it.

    Args:
        apply_fn: `model.apply` of any linen module that is called as (image, train=...). All collections of the state
            are mutable in training and fixed in evaluation. Auxiliary logits are sown into `aux_logits`.
        tx: the optimizer.
        loss_fn: (logits, label) -> loss of each example; their mean over the global batch is minimised.
        metrics: by name, (logits, label) -> value of each example; values are summed like the loss.
        ema_decay: of the moving average, which the state must contain; None for none.
        aux_weight: weight of the loss of each auxiliary head.
        on_nonfinite: what to do if loss, gradient, update or running statistics are not finite. None: the update is
            made. "stop": the state does not change, nor does its step number, so that the step can be examined. "skip":
            only the step number changes, and the step's metrics do not count. The last two count the step as
            `nonfinite`.
        choose: checks whether a step is finite, and chooses the old or the new state; None:
            `jaxcnn.train.finite.choose_each`.
        accumulate_steps: number of parts of a batch, which are computed one after the other; their gradients are
            averaged. Part i has the examples i, i + accumulate_steps and so on. Batch norm sees one part at a time.
        axis_name: of the mapped axis over which the batch is split, if pmap or shard_map maps the step. Random numbers
            then differ between devices, and collections are averaged over them.
        freeze: a pattern over the paths of parameters, as of `create_state`: those that it matches stay as they are.
            They are no part of the gradient, nor of the optimizer's state, the clipped norm or the weight decay.
        freeze_norms: "eval": norms whose parameters are all frozen use their statistics, and keep them. "train": they
            compute as in training, and their statistics follow. Dropout is as in training in either case.

    The returned step takes the same `key` in the whole run; random numbers of step s come from fold_in(key, s). Modules
    may use the stream "dropout" or any other: flax derives streams that are not given from "params".
    """
    frozen = Frozen(freeze, freeze_norms)
    gradient = make_gradient(
        apply_fn=apply_fn,
        loss_fn=loss_fn,
        metrics=metrics,
        aux_weight=aux_weight,
        accumulate_steps=accumulate_steps,
        axis_name=axis_name,
        frozen=frozen,
    )

    def train_step(full: TrainState, batch: Batch, key: Array) -> tuple[TrainState, Metrics]:
        state = living_state(full, frozen, tx)
        loss, collections, sums, gradients, _ = gradient(full, state, batch, key)
        updates, opt_state = tx.update(gradients, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        ema = state.ema
        if ema_decay is not None and ema is not None:
            ema = update_ema(ema, {"params": params, **collections}, state.step, ema_decay)
        new = state.replace(step=state.step + 1, params=params, collections=collections, opt_state=opt_state, ema=ema)
        if on_nonfinite is None:
            return whole_state(new, full), sums | {"nonfinite": jnp.zeros((), jnp.int32)}
        new, sums = guard(state, new, gradients, updates, loss, sums, skip=on_nonfinite == "skip", choose=choose)
        return whole_state(new, full), sums

    return train_step

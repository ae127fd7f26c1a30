"""Makes the evaluation step: a pure function of given parts, without config, flags or globals."""

from collections.abc import Callable
from typing import Any, TypeAlias

from jaxcnn.train.parts.losses import LossFn
from jaxcnn.train.parts.metrics import DEFAULT, MetricFns, summed
from jaxcnn.train.state import TrainState
from jaxcnn.types import Array, Batch, Metrics

EvalStep: TypeAlias = Callable[[TrainState, Batch], Metrics]


def make_eval_step(*, apply_fn: Callable[..., Any], loss_fn: LossFn, metrics: MetricFns = DEFAULT) -> EvalStep:
    """Returns `eval_step(state, batch) -> metrics`: sums over the examples whose mask is 1. The caller jits it.

    It evaluates the moving average if the state has one. In a batch without a `mask` all examples count.
    """
    step = make_predict_step(apply_fn=apply_fn, loss_fn=loss_fn, metrics=metrics)
    return lambda state, batch: step(state, batch)[0]


def make_predict_step(
    *, apply_fn: Callable[..., Any], loss_fn: LossFn, metrics: MetricFns = DEFAULT
) -> Callable[[TrainState, Batch], tuple[Metrics, Array]]:
    """Returns `step(state, batch) -> (metrics, logits)`, as `make_eval_step`, with the logits of each example."""

    def predict_step(state: TrainState, batch: Batch) -> tuple[Metrics, Array]:
        logits = apply_fn(state.eval_variables, batch["image"], train=False)
        losses = loss_fn(logits, batch["label"])
        return summed(logits, batch["label"], losses, batch.get("mask"), functions=metrics), logits

    return predict_step

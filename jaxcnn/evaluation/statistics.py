"""The statistics of batch norms, estimated anew with the weights as they are.

In training, running statistics lag behind the weights, and are of augmented images. Here a net in training mode, but
without dropout, sees un-augmented training images. The statistics of its batches are averaged with equal weights: the
means, and the variances plus the variance of the means (Wu and Johnson, arXiv:2105.07576, section 3).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from jaxcnn.data.feed.batches import HostBatch
from jaxcnn.data.read.records import Source
from jaxcnn.evaluation.forward import batches_of
from jaxcnn.evaluation.subject import Subject
from jaxcnn.types import ApplyFn, Array, Variables

STATISTICS = "batch_stats"
"""The collection of running statistics."""


def estimate(subject: Subject, nets: Sequence[Variables], source: Source, *, batch_size: int) -> list[Variables]:
    """Returns, for each of `nets`, its variables with the statistics of its batch norms over all whole batches.

    Args:
        subject: the net.
        nets: their variables; all see a batch once it is read.
        source: the training images; their order does not matter but for the division into batches.
        batch_size: at most the number of images.
    """
    forward = batch_statistics(subject.model.apply)
    program = jax.jit(lambda variables, image: forward(variables, subject.whitened(image)))
    found = [
        jax.device_get([program(variables, batch["image"]) for variables in nets])
        for batch in batches_of(source, subject.square, batch_size, what="statistics")
        if batch["mask"].all()
    ]
    each = zip(nets, zip(*found, strict=True), strict=True)
    return [{**variables, STATISTICS: combined(batches)} for variables, batches in each]


def batch_statistics(apply_fn: ApplyFn) -> Any:
    """Returns `forward(variables, image)` -> the statistics of a batch, in the structure of the running ones.

    The weight of the old value in a running statistic is found by moving 0 and 1 towards the batch's. A statistic that
    does not move keeps its value.
    """
    apply = _in_training_mode(apply_fn)

    def moved(variables: Variables, image: Array, start: float) -> Any:
        filled = jax.tree.map(lambda leaf: jnp.full_like(leaf, start), variables[STATISTICS])
        return apply({**variables, STATISTICS: filled}, image)[1]

    def forward(variables: Variables, image: Array) -> Any:
        zero, one = (moved(variables, image, start) for start in (0.0, 1.0))

        def found(old: Array, low: Array, high: Array) -> Array:
            weight = high - low
            return jnp.where(weight < 1, low / jnp.where(weight < 1, 1 - weight, 1), old)

        return jax.tree.map(found, variables[STATISTICS], zero, one)

    return forward


def _in_training_mode(apply_fn: ApplyFn) -> Callable[[Variables, Array], tuple[Array, Any]]:
    """Returns `apply(variables, image)` -> logits and moved statistics, in training mode but without dropout."""

    def apply(variables: Variables, image: Array) -> tuple[Array, Any]:
        rngs = {name: jax.random.key(0) for name in ("params", "dropout")}
        with nn.intercept_methods(_without_dropout):
            logits, updated = apply_fn(variables, image, train=True, mutable=[STATISTICS, "aux_logits"], rngs=rngs)
        return logits, updated[STATISTICS]

    return apply


def combined(batches: Iterable[Any]) -> Any:
    """Returns the statistics over all batches, equally large; `var` gets the variance of the means too."""
    flat = [traverse_util.flatten_dict(each) for each in batches]
    stacked = {path: np.stack([np.asarray(each[path], np.float64) for each in flat]) for path in flat[0]}
    found = {path: _over(path, stacked).astype(flat[0][path].dtype) for path in stacked}
    return traverse_util.unflatten_dict(found)


def _over(path: tuple[str, ...], stacked: Mapping[tuple[str, ...], np.ndarray]) -> np.ndarray:
    mean = stacked[path].mean(axis=0)
    means = stacked.get((*path[:-1], "mean"))
    return mean + means.var(axis=0) if path[-1] == "var" and means is not None else mean


def _without_dropout(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
    if isinstance(context.module, nn.Dropout) and context.method_name == "__call__":
        return args[0]
    return call(*args, **kwargs)


def batch_accuracy(subject: Subject, batches: Iterable[HostBatch]) -> float:
    """Returns the accuracy of the first net if each batch is normalised by its own statistics; NaN for no batches."""
    variables = subject.members[0]
    forward = _in_training_mode(subject.model.apply)
    program = jax.jit(lambda variables, image: forward(variables, subject.whitened(image))[0])
    hits = [np.argmax(program(variables, batch["image"]), axis=-1) == batch["label"] for batch in batches]
    return float(np.mean(np.concatenate(hits))) if hits else float("nan")

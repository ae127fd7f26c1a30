"""Metrics as sums over examples, so that they add up over batches and devices exactly; divided once, on the host."""

from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.types import Array, Metrics


def summed(logits: Array, label: Array, losses: Array, mask: Array | None = None) -> Metrics:
    """Returns sums over the examples whose mask is not 0: `loss` float32, `correct` and `examples` int32.

    Args:
        logits: (batch, num_classes).
        label: (batch,) int, or (batch, num_classes) float, of which the largest entry is the class.
        losses: (batch,) float32.
        mask: (batch,) 1 for an example that counts, 0 for padding; None counts all.
    """
    counts = jnp.ones(losses.shape, bool) if mask is None else mask > 0
    label = label if label.ndim == 1 else jnp.argmax(label, axis=-1)
    correct = (jnp.argmax(logits, axis=-1) == label) & counts
    return {
        "loss": jnp.sum(jnp.where(counts, losses, 0)),
        "correct": jnp.sum(correct, dtype=jnp.int32),
        "examples": jnp.sum(counts, dtype=jnp.int32),
    }


def zeros() -> Metrics:
    """Returns the sums of no training step: those of `summed`, and `nonfinite`, the steps that are not finite."""
    counts = {name: jnp.zeros((), jnp.int32) for name in ("correct", "examples", "nonfinite")}
    return {"loss": jnp.zeros((), jnp.float32), **counts}


def add(one: Metrics, other: Metrics) -> Metrics:
    """Returns the sums over the examples of both."""
    return jax.tree.map(jnp.add, one, other)


def means(batches: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Returns `loss` (nats), `accuracy` (a share) and `examples` over all `batches` of sums, added in float64."""
    fetched = jax.device_get(list(batches))
    loss, correct, examples = (
        sum(np.float64(sums[key]) for sums in fetched) for key in ("loss", "correct", "examples")
    )
    share = 1 / examples if examples else np.nan
    return {"loss": float(loss * share), "accuracy": float(correct * share), "examples": int(examples)}

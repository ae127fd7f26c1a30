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


def zeros(num_seeds: int = 1) -> dict[str, Any]:
    """Returns the sums of no training step: those of `summed`, and `nonfinite`, the steps that are not finite.

    They are of NumPy, (num_seeds,) each, or () of one.
    """
    shape = (num_seeds,) if num_seeds > 1 else ()
    counts = {name: np.zeros(shape, np.int32) for name in ("correct", "examples", "nonfinite")}
    return {"loss": np.zeros(shape, np.float32), **counts}


def add(one: Metrics, other: Metrics) -> Metrics:
    """Returns the sums over the examples of both."""
    return jax.tree.map(jnp.add, one, other)


def means(batches: Iterable[Mapping[str, Any]], seeds: Iterable[int] = ()) -> dict[str, float]:
    """Returns `loss` (nats), `accuracy` (a share) and `examples` over all `batches` of sums, added in float64.

    Sums of several `seeds`, (seeds,) each, give the mean over them, their sample deviation (n - 1) as `loss/std` and
    `accuracy/std`, and each by its seed: of seeds 5 and 6 `loss/seed5`, `loss/seed6`, `accuracy/seed5`, ...
    """
    fetched = jax.device_get(list(batches))
    loss, correct, examples = (
        sum(np.float64(sums[key]) for sums in fetched) for key in ("loss", "correct", "examples")
    )
    with np.errstate(divide="ignore", invalid="ignore"):  # of no examples: not a number
        shares = {"loss": np.divide(loss, examples), "accuracy": np.divide(correct, examples)}
    result = {name: float(np.mean(share)) for name, share in shares.items()} | {"examples": int(np.max(examples))}
    for name, share in shares.items():
        if np.ndim(share):
            with np.errstate(invalid="ignore"):  # of what is not finite: not a number
                result[f"{name}/std"] = float(np.std(share, ddof=1))
            result |= {f"{name}/seed{seed}": one for seed, one in zip(seeds, share.tolist(), strict=True)}
    return result

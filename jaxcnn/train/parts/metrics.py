"""Metrics as sums over examples. They add up exactly over batches and devices, and are divided once, on the host."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxcnn.errors import UserError
from jaxcnn.parts import Part, find_part, part_name
from jaxcnn.types import Array, Metrics

MetricFn: TypeAlias = Callable[[Array, Array], Array]
"""(logits (batch, num_classes), label, as for the loss) -> (batch,), a number of any dtype for each example."""
MetricFns: TypeAlias = Mapping[str, MetricFn]
"""Metrics by name."""

_COUNTS = ("examples", "nonfinite")
"""Sums that are not metrics: the number of examples, and of steps that are not finite."""
NO_METRICS = ("loss", *_COUNTS, "seconds", "images_per_second", "data_wait", "learning_rate", "partial")
"""What a line of metrics.jsonl says of a split besides metrics."""


def classes_of(label: Array) -> Array:
    """Returns the class of each example, (batch,); for soft labels (batch, num_classes), the largest entry's."""
    return label if label.ndim == 1 else jnp.argmax(label, axis=-1)


def accuracy(logits: Array, label: Array) -> Array:
    """Returns (batch,) bool: whether the class has the largest logit."""
    return jnp.argmax(logits, axis=-1) == classes_of(label)


def top5(logits: Array, label: Array) -> Array:
    """Returns (batch,) bool: whether the class is among the 5 largest logits (Russakovsky et al., arXiv:1409.0575)."""
    _, best = lax.top_k(logits, min(5, logits.shape[-1]))
    return jnp.any(best == classes_of(label)[:, None], axis=-1)


METRICS: MetricFns = {"accuracy": accuracy, "top5": top5}
"""Our metrics by name."""
DEFAULT: MetricFns = {"accuracy": accuracy}


def find_metrics(asked: Iterable[Part] | MetricFns) -> dict[str, MetricFn]:
    """Returns metrics by name.

    Args:
        asked: names in `METRICS`, paths and functions, where the last part of a path is its name; or a mapping from
            names to functions.

    Raises:
        UserError: for a metric that is unknown or cannot be imported, and a name that is not allowed or comes twice.
    """
    if isinstance(asked, str) or not isinstance(asked, Iterable):
        raise UserError(f"metrics is {asked!r:.60}: it must be a mapping from names to functions, or a list")
    named = asked.items() if isinstance(asked, Mapping) else [(_short_name(each), each) for each in asked]
    found: dict[str, MetricFn] = {}
    for name, each in named:
        if not re.fullmatch(r"[A-Za-z_][\w@.-]*", name) or name in NO_METRICS:
            raise UserError(
                f"a metric cannot be called {name!r}: letters, digits and _, and none of {', '.join(NO_METRICS)}"
            )
        if name in found:
            raise UserError(f"two metrics are called {name}: give them as a mapping from names of their own")
        found[name] = find_part("metric", each, METRICS)
    return found


def _short_name(metric: Part) -> str:
    return re.split("[:.]", part_name(metric))[-1]


def summed(
    logits: Array, label: Array, losses: Array, mask: Array | None = None, *, functions: MetricFns = DEFAULT
) -> Metrics:
    """Returns sums over the examples whose mask is not 0: `loss` float32, `examples` int32 and each metric by name.

    The sum of a metric is int32 if its values are bool or int, else float32. No gradient flows through metrics.

    Args:
        logits: (batch, num_classes).
        label: (batch,) int, or (batch, num_classes) float, whose largest entry is the class.
        losses: (batch,) float32.
        mask: (batch,) 1 for an example that counts, 0 for padding; None counts all.
        functions: the metrics.

    Raises:
        UserError: if the loss or a metric does not return one number for each example.
    """
    if losses.shape != logits.shape[:1]:
        raise UserError(_misshapen("the loss", losses, len(logits)))
    counts = jnp.ones(losses.shape, bool) if mask is None else mask > 0
    logits = lax.stop_gradient(logits)
    sums = {name: _sum(name, function(logits, label), counts) for name, function in functions.items()}
    return {
        "loss": jnp.sum(jnp.where(counts, losses, 0)),
        **sums,
        "examples": jnp.sum(counts, dtype=jnp.int32),
    }


def _sum(name: str, values: Array, counts: Array) -> Array:
    if jnp.shape(values) != counts.shape:
        raise UserError(_misshapen(f"metric {name}", values, len(counts)))
    dtype = jnp.float32 if jnp.issubdtype(values.dtype, jnp.floating) else jnp.int32
    return jnp.sum(jnp.where(counts, values, jnp.zeros((), values.dtype)), dtype=dtype)


def _misshapen(what: str, values: Array, examples: int) -> str:
    return (
        f"{what} gives an array of shape {jnp.shape(values)}: it must give one number for each example, ({examples},)"
    )


def zeros(num_seeds: int = 1, functions: MetricFns = DEFAULT, *, num_classes: int = 2) -> dict[str, Any]:
    """Returns the sums of zero training steps: those of `summed`, and `nonfinite`, the count of non-finite steps.

    They are NumPy arrays of shape (num_seeds,), or () for one seed.

    Args:
        num_seeds: number of nets that are trained at once.
        functions: the metrics.
        num_classes: width of the logits.

    Raises:
        UserError: if a metric does not return one number for each example.
    """
    shape = (num_seeds,) if num_seeds > 1 else ()
    dtypes = {name: leaf.dtype for name, leaf in _abstract(functions, num_classes).items()} | {"nonfinite": np.int32}
    return {name: np.zeros(shape, dtype) for name, dtype in dtypes.items()}


def _abstract(functions: MetricFns, num_classes: int) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns the shapes and dtypes of the sums. Nothing is computed."""

    def sums(*arrays: Array) -> Metrics:
        return summed(*arrays, functions=functions)

    logits, losses = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((2, num_classes), (2,)))
    return dict(jax.eval_shape(sums, logits, jax.ShapeDtypeStruct((2,), jnp.int32), losses))


def add(one: Metrics, other: Metrics) -> Metrics:
    """Returns the sums over the examples of both."""
    return jax.tree.map(jnp.add, one, other)


def means(batches: Iterable[Mapping[str, Any]], seeds: Iterable[int] = ()) -> dict[str, float]:
    """Returns the means of `loss` (nats) and each metric over all `batches` of sums, and `examples`; adds in float64.

    For several `seeds`, with sums of shape (seeds,), it returns the mean over the seeds, their sample deviation (n - 1)
    as `loss/std` and `accuracy/std`, and the value of each seed: `loss/seed5`, `loss/seed6`, `accuracy/seed5` and so
    on.
    """
    fetched = jax.device_get(list(batches))
    totals = {key: sum(np.float64(sums[key]) for sums in fetched) for key in fetched[0]}
    examples = totals["examples"]
    with np.errstate(divide="ignore", invalid="ignore"):  # NaN for no examples
        shares = {name: np.divide(total, examples) for name, total in totals.items() if name not in _COUNTS}
    result = {name: float(np.mean(share)) for name, share in shares.items()} | {"examples": int(np.max(examples))}
    for name, share in shares.items():
        if np.ndim(share):
            with np.errstate(invalid="ignore"):  # NaN for values that are not finite
                result[f"{name}/std"] = float(np.std(share, ddof=1))
            result |= {f"{name}/seed{seed}": one for seed, one in zip(seeds, share.tolist(), strict=True)}
    return result

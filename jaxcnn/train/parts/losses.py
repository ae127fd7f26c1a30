"""Losses, one number for each example."""

from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
import optax

from jaxcnn.types import Array

LossFn: TypeAlias = Callable[[Array, Array], Array]
"""(logits (batch, num_classes), label (batch,) int or (batch, num_classes) float) -> loss (batch,) float32, in nats."""


def _softmax(logits: Array, target: Array) -> Array:
    return optax.softmax_cross_entropy(logits, target)


def _binary(logits: Array, target: Array) -> Array:
    return jnp.sum(optax.sigmoid_binary_cross_entropy(logits, target), axis=-1)


LOSSES: dict[str, LossFn] = {
    "softmax": _softmax,  # cross-entropy with the softmax of the logits
    "binary": _binary,  # one sigmoid a class, "this class or not", summed over the classes
}


def make_loss(name: str, *, label_smoothing: float = 0.0) -> LossFn:
    """Returns the loss called `name`.

    `label_smoothing` e takes e from the target and spreads it evenly over all classes (Szegedy et al.,
    arXiv:1512.00567, section 7). Integer labels become one-hot; soft labels, (batch, num_classes), stay.
    """

    def loss(logits: Array, label: Array) -> Array:
        target = jax.nn.one_hot(label, logits.shape[-1]) if label.ndim == 1 else label
        return LOSSES[name](logits, optax.smooth_labels(target, label_smoothing))

    return loss

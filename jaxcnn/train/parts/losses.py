"""Losses, one number for each example."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import jax
import jax.numpy as jnp
import optax

from jaxcnn.errors import UserError
from jaxcnn.parts import Part, find_part, part_name
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


def make_loss(loss: Part, *, label_smoothing: float = 0.0, class_weights: Sequence[float] = ()) -> LossFn:
    """Returns the loss of a word of `LOSSES`, of a path, or of a function `(logits, label) -> (batch,)`.

    Integer labels become one-hot; soft labels, (batch, num_classes), stay. A function of a user's own is given the
    label as the batch has it.

    Args:
        loss: what it is.
        label_smoothing: takes so much from the target and spreads it evenly over all classes (Szegedy et al.,
            arXiv:1512.00567, section 7).
        class_weights: one for each class, by which the loss of its examples is multiplied; none: all are 1. A soft
            label has the mean of the weights, by its shares. The mean over the batch still divides by the number of
            examples: PyTorch's cross-entropy divides by the sum of their weights.

    Raises:
        UserError: for what is no loss, and label smoothing of a loss of a user's own.
    """
    found = find_part("loss", loss, LOSSES)
    if found in LOSSES.values():
        found = _of_target(found, label_smoothing)
    elif label_smoothing:
        raise UserError(
            f"loss.label_smoothing is {label_smoothing}: {part_name(loss)} is given labels as they are; set 0"
        )
    return _weighted(found, class_weights) if class_weights else found


def check_class_weights(weights: Sequence[float], num_classes: int) -> None:
    """Raises `UserError` for weights of another number of classes, or that leave nothing to learn."""
    if weights and len(weights) != num_classes:
        raise UserError(
            f"loss.class_weights has {len(weights)} numbers: it must have one for each of {num_classes} classes"
        )
    if weights and not any(weights):
        raise UserError("loss.class_weights is 0 for every class: nothing would be learnt")


def _of_target(loss: LossFn, label_smoothing: float) -> LossFn:
    """Returns a loss of the shares of all classes as a loss of labels."""

    def of_label(logits: Array, label: Array) -> Array:
        target = jax.nn.one_hot(label, logits.shape[-1]) if label.ndim == 1 else label
        return loss(logits, optax.smooth_labels(target, label_smoothing))

    return of_label


def _weighted(loss: LossFn, class_weights: Sequence[float]) -> LossFn:
    """Returns a loss times the weight of the class of each example."""

    def weighted(logits: Array, label: Array) -> Array:
        weights = jnp.asarray(class_weights, jnp.float32)
        return loss(logits, label) * (weights[label] if label.ndim == 1 else label @ weights)

    return weighted

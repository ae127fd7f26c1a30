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
    """Returns the loss for a name in `LOSSES`, a path, or a function `(logits, label) -> (batch,)`.

    Our losses make integer labels one-hot; soft labels are (batch, num_classes). A user's function gets the labels of
    the batch as they are.

    Args:
        loss: a name, a path or a function.
        label_smoothing: fraction of the target that is spread evenly over all classes (Szegedy et al.,
            arXiv:1512.00567, section 7).
        class_weights: for each class, a factor of the loss of its examples; () for 1. The factor of a soft label is the
            mean of the weights, weighted by the label. The mean over the batch divides by the number of examples, while
            PyTorch's cross-entropy divides by the sum of the weights.

    Raises:
        UserError: for anything but a loss, and for label smoothing with a user's loss.
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
    """Returns a loss of labels, from a loss of probabilities of all classes."""

    def of_label(logits: Array, label: Array) -> Array:
        target = jax.nn.one_hot(label, logits.shape[-1]) if label.ndim == 1 else label
        return loss(logits, optax.smooth_labels(target, label_smoothing))

    return of_label


def _weighted(loss: LossFn, class_weights: Sequence[float]) -> LossFn:
    """Returns a loss that is multiplied by the class weight of each example."""

    def weighted(logits: Array, label: Array) -> Array:
        weights = jnp.asarray(class_weights, jnp.float32)
        return loss(logits, label) * (weights[label] if label.ndim == 1 else label @ weights)

    return weighted

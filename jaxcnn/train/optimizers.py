"""Optimizers: optax's, with weight decay that knows which parameters to leave alone."""

from collections.abc import Callable
from typing import Any

import jax
import optax
from ml_collections import ConfigDict


def kernels_only(params: Any) -> Any:
    """Returns a tree of bools that is False for biases, norm scales and activation slopes: every vector and scalar."""
    return jax.tree.map(lambda param: param.ndim > 1, params)


def _sgd(o: ConfigDict, rate: optax.Schedule) -> optax.GradientTransformation:
    return optax.sgd(rate, momentum=o.momentum or None, nesterov=o.nesterov)


def _rmsprop(o: ConfigDict, rate: optax.Schedule) -> optax.GradientTransformation:
    return optax.rmsprop(rate, decay=o.decay, eps=o.epsilon, momentum=o.momentum or None, nesterov=o.nesterov)


def _adam(o: ConfigDict, rate: optax.Schedule) -> optax.GradientTransformation:
    return optax.adam(rate, b1=o.beta1, b2=o.beta2, eps=o.epsilon)


def _adamw(o: ConfigDict, rate: optax.Schedule) -> optax.GradientTransformation:
    decay = {"weight_decay": o.weight_decay, "mask": _mask(o)}
    return optax.adamw(rate, b1=o.beta1, b2=o.beta2, eps=o.epsilon, **decay)


def _adadelta(o: ConfigDict, rate: optax.Schedule) -> optax.GradientTransformation:
    return optax.adadelta(rate, rho=o.decay, eps=o.epsilon)


def _lamb(o: ConfigDict, rate: optax.Schedule) -> optax.GradientTransformation:
    decay = {"weight_decay": o.weight_decay, "mask": _mask(o)}
    return optax.lamb(rate, b1=o.beta1, b2=o.beta2, eps=o.epsilon, **decay)


OPTIMIZERS: dict[str, Callable[[ConfigDict, optax.Schedule], optax.GradientTransformation]] = {
    "sgd": _sgd,
    "rmsprop": _rmsprop,
    "adam": _adam,
    "adamw": _adamw,
    "adadelta": _adadelta,
    "lamb": _lamb,
}
_DECAY_THEMSELVES = frozenset({"adamw", "lamb"})


def make_optimizer(settings: ConfigDict, learning_rate: optax.Schedule) -> optax.GradientTransformation:
    """Returns the optimizer of `config.optimizer`: clip the gradient, add the weight decay, update.

    adamw and lamb decay weights by themselves, decoupled from the gradient (Loshchilov & Hutter, arXiv:1711.05101); for
    the others the decay is the gradient of an L2 penalty, weight_decay / 2 * ||w||^2.
    """
    parts = []
    if settings.clip_norm is not None:
        parts.append(optax.clip_by_global_norm(settings.clip_norm))
    if settings.weight_decay and settings.name not in _DECAY_THEMSELVES:
        parts.append(optax.add_decayed_weights(settings.weight_decay, mask=_mask(settings)))
    return optax.chain(*parts, OPTIMIZERS[settings.name](settings, learning_rate))


def _mask(settings: ConfigDict) -> Callable[[Any], Any] | None:
    return None if settings.decay_all else kernels_only

"""Optimizers, our words and optax's names, with weight decay for kernels only."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import optax

from jaxcnn.errors import UserError
from jaxcnn.layers.variables import loop_of, path_name
from jaxcnn.parts import find_part, parameters_of, required_positions
from jaxcnn.train.parts.kernels import is_kernel, kernels_only, matrices, names_of
from jaxcnn.train.parts.of_optax import OPTAX_OPTIMIZERS, UNFIT, called
from jaxcnn.types import Array


class Factors(NamedTuple):
    """What learning rate and weight decay of a parameter are multiplied by."""

    rate: float | tuple[float, ...] = 1.0
    """Of a parameter of a loop perhaps one for each turn."""
    decay: float = 1.0


_NO_FACTORS = Factors()


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimizerSettings:
    """The settings of `config.optimizer`, as an optimizer of a user's own is given them too."""

    name: str
    learning_rate: float
    reference_batch_size: int | None
    momentum: float
    nesterov: bool
    beta1: float
    beta2: float
    decay: float
    epsilon: float
    weight_decay: float
    decay_all: bool
    clip_norm: float | None
    multipliers: tuple[tuple[Any, ...], ...] = ()
    layer_decay: float | None = None
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Further arguments of a function of the learning rate, by name."""
    factors: Mapping[str, Factors] = dataclasses.field(default_factory=dict)
    """What `multipliers` and `layer_decay` mean for each parameter, by path; those that are not in it have 1."""


def _sgd(o: OptimizerSettings, rate: optax.Schedule) -> optax.GradientTransformation:
    return optax.sgd(rate, momentum=o.momentum or None, nesterov=o.nesterov)


def _rmsprop(o: OptimizerSettings, rate: optax.Schedule) -> optax.GradientTransformation:
    return optax.rmsprop(rate, decay=o.decay, eps=o.epsilon, momentum=o.momentum or None, nesterov=o.nesterov)


def _adam(o: OptimizerSettings, rate: optax.Schedule) -> optax.GradientTransformation:
    return optax.adam(rate, b1=o.beta1, b2=o.beta2, eps=o.epsilon)


def _adamw(o: OptimizerSettings, rate: optax.Schedule) -> optax.GradientTransformation:
    """Returns `optax.adamw` (Loshchilov & Hutter, arXiv:1711.05101), in which groups may have their own decay."""
    adam = optax.scale_by_adam(b1=o.beta1, b2=o.beta2, eps=o.epsilon)
    return optax.chain(adam, _decay(o), optax.scale_by_learning_rate(rate))


def _adadelta(o: OptimizerSettings, rate: optax.Schedule) -> optax.GradientTransformation:
    return optax.adadelta(rate, rho=o.decay, eps=o.epsilon)


def _lamb(o: OptimizerSettings, rate: optax.Schedule) -> optax.GradientTransformation:
    """Returns `optax.lamb` (You et al., arXiv:1904.00962), but with a trust ratio for each layer of a loop."""
    return optax.chain(
        optax.scale_by_adam(b1=o.beta1, b2=o.beta2, eps=o.epsilon),
        _decay(o),
        optax.stateless(_trusted),
        optax.scale_by_learning_rate(rate),
    )


def _trusted(updates: Any, params: Any) -> Any:
    """Returns the updates multiplied by ||param|| / ||update||, layer by layer."""
    ratio = optax.scale_by_trust_ratio()

    def scale(update: Array, param: Array) -> Array:
        return ratio.update(update, ratio.init(param), param)[0]

    def scale_each(path: tuple[Any, ...], update: Array, param: Array) -> Array:
        return (jax.vmap(scale) if loop_of(names_of(path)) else scale)(update, param)

    return jax.tree_util.tree_map_with_path(scale_each, updates, params)


Maker: TypeAlias = Callable[..., optax.GradientTransformation]
"""(settings, learning rate) -> optimizer."""
OPTIMIZERS: dict[str, Maker] = {
    "sgd": _sgd,
    "rmsprop": _rmsprop,
    "adam": _adam,
    "adamw": _adamw,
    "adadelta": _adadelta,
    "lamb": _lamb,
}
_DECAY_THEMSELVES = frozenset({"adamw", "lamb"})
_DECAYS = frozenset({"weight_decay", "weight_decay_rate"})
_MASKS = frozenset({"mask", "weight_decay_mask"})
"""What optimizers of optax call the weight decay, and what it is for."""


def make_optimizer(settings: OptimizerSettings, learning_rate: optax.Schedule) -> optax.GradientTransformation:
    """Returns the optimizer of these settings. It clips the gradient, adds the weight decay, and updates.

    Its name is in `OPTIMIZERS`, or optax's own, or a path to a function. A function of (settings, learning_rate) does
    its own weight decay. A function of the learning rate alone, as optax's are, gets `settings.options`, and of the
    weight decay and its mask what it has parameters for.

    The weight decay of adamw and lamb is their own, decoupled from the gradient (Loshchilov & Hutter,
    arXiv:1711.05101), and so is that of other functions with such a parameter. For all others it is the gradient of an
    L2 penalty, weight_decay / 2 * ||w||^2.

    Raises:
        UserError: for a name that is none, wrong options, or a weight decay that the optimizer cannot have.
    """
    update = _made(settings, learning_rate)
    if not callable(getattr(update, "init", None)) or not callable(getattr(update, "update", None)):
        made = type(update).__name__
        raise UserError(f"optimizer {settings.name} makes a {made}: it must make an optax.GradientTransformation")
    _check_decay(settings)
    parts = []
    if settings.clip_norm is not None:
        parts.append(optax.clip_by_global_norm(settings.clip_norm))
    if settings.weight_decay and not decays_itself(settings.name):
        parts.append(_decay(settings))
    if any(factors.rate != 1.0 for factors in settings.factors.values()):
        update = optax.chain(update, scale_rates(settings.factors))
    return optax.chain(*parts, update)


def scale_rates(factors: Mapping[str, Factors]) -> optax.GradientTransformation:
    """Returns what multiplies each parameter's update by the factor of its learning rate, given by path."""

    def scale(path: tuple[Any, ...], update: Array) -> Array:
        rate = jnp.asarray(factors.get(path_name(path), _NO_FACTORS).rate, update.dtype)
        return update * rate.reshape(rate.shape + (1,) * (update.ndim - 1 if rate.ndim else 0))

    return optax.stateless(lambda updates, _: jax.tree_util.tree_map_with_path(scale, updates))


def decays_itself(name: str) -> bool:
    """Returns whether this optimizer has its own weight decay, instead of one in the gradient."""
    if name in OPTIMIZERS:
        return name in _DECAY_THEMSELVES
    return decays_unseen(name) or not _DECAYS.isdisjoint(parameters_of(_found(name)))


def decays_unseen(name: str) -> bool:
    """Returns whether it is not known what this optimizer decays: it is a user's function of the settings."""
    return name not in OPTIMIZERS and _takes_settings(_found(name))


def _found(name: str) -> Maker:
    """Returns the function of a name or path; raises `UserError` for one that is none."""
    if name in UNFIT and name not in OPTIMIZERS:
        raise UserError(f"optimizer {name} of optax cannot be had here: {UNFIT[name]}")
    return find_part("optimizer", name, {**OPTAX_OPTIMIZERS, **OPTIMIZERS})


def _made(settings: OptimizerSettings, learning_rate: optax.Schedule) -> Any:
    """Returns what the function of the settings' name makes."""
    maker = _found(settings.name)
    if _takes_settings(maker):
        if settings.name in OPTIMIZERS and settings.options:
            raise UserError(
                f"optimizer.options has {next(iter(settings.options))}: optimizer {settings.name} has other settings, "
                "which `jaxcnn settings optimizer` lists"
            )
        return maker(settings, learning_rate)
    given: dict[str, Any] = dict.fromkeys(_DECAYS, settings.weight_decay) | dict.fromkeys(_MASKS, _mask(settings))
    given |= {"adam_weight_decay": settings.weight_decay if settings.decay_all else 0.0}  # muon's, of no kernel
    given |= {"muon_weight_dimension_numbers": matrices}
    of_rate = functools.partial(maker, learning_rate)
    return called("optimizer", settings.name, of_rate, given, settings.options)


def _is_masked(name: str) -> bool:
    """Returns whether an optimizer can be told which parameters decay."""
    return not _MASKS.isdisjoint(parameters_of(_found(name)))


def _takes_settings(maker: Maker) -> bool:
    return required_positions(maker) == 2


def _decay(settings: OptimizerSettings) -> optax.GradientTransformation:
    """Returns what adds the weight decay, once for each factor of it."""
    factors = sorted({factors.decay for factors in settings.factors.values()} - {0.0, 1.0})
    shares = [
        optax.add_decayed_weights(settings.weight_decay * factor, mask=_mask(settings, factor))
        for factor in (1.0, *factors)
    ]
    return optax.chain(*shares) if len(shares) > 1 else shares[0]


def _mask(settings: OptimizerSettings, factor: float = 1.0) -> Callable[[Any], Any] | None:
    """Returns a function of the parameters: True for those that decay with this factor; None for all."""
    if not settings.factors:
        return None if settings.decay_all else kernels_only

    def decays(path: tuple[Any, ...], param: Array) -> bool:
        own = settings.factors.get(path_name(path), _NO_FACTORS).decay
        return own == factor and (settings.decay_all or is_kernel(path, param))

    return lambda params: jax.tree_util.tree_map_with_path(decays, params)


def _check_decay(settings: OptimizerSettings) -> None:
    """Raises `UserError` for a weight decay, or a factor of it, that an optimizer sees to itself and cannot have."""
    factors = {factors.decay for factors in settings.factors.values()} - {1.0}
    if settings.name in OPTIMIZERS or not decays_itself(settings.name):
        return
    if settings.weight_decay and not (settings.decay_all or _is_masked(settings.name) or decays_unseen(settings.name)):
        raise UserError(
            f"optimizer {settings.name} decays all parameters alike: set optimizer.decay_all, or a weight_decay of 0"
        )
    if not factors:
        return
    if decays_unseen(settings.name) or not _is_masked(settings.name):
        raise UserError(f"optimizer {settings.name} decays by itself: optimizer.multipliers cannot change its decay")
    if factors != {0.0}:
        raise UserError(f"optimizer {settings.name} decays by itself: its decay can be multiplied by 0 and 1 alone")

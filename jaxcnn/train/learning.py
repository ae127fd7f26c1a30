"""How the parameters of a run learn: the optimizer, the learning rate, and the groups that differ in either."""

import dataclasses
from typing import NamedTuple

import flax.linen as nn
import optax

from jaxcnn.errors import UserError
from jaxcnn.train.given import Parts, check_optimizer, check_schedule
from jaxcnn.train.groups import Groups, parameter_groups
from jaxcnn.train.lengths import timing_of
from jaxcnn.train.parts.frozen import NORMS
from jaxcnn.train.parts.optimizers import make_optimizer
from jaxcnn.train.parts.schedules import make_schedule
from jaxcnn.train.run import Timing
from jaxcnn.train.settings import Settings


class Learning(NamedTuple):
    """What `learning_of` returns."""

    timing: Timing
    groups: Groups
    tx: optax.GradientTransformation
    rate: optax.Schedule | None
    """Step -> learning rate; None if only an optimizer that was handed over knows it."""


def learning_of(
    settings: Settings, parts: Parts, model: nn.Module, image_shape: tuple[int, int, int], examples: int
) -> Learning:
    """Returns how the parameters of a run learn.

    Args:
        settings: of the run.
        parts: that were handed over.
        model: of the run.
        image_shape: (height, width, channels).
        examples: of the training split.

    Raises:
        UserError: for settings that do not fit each other, the net or the parts.
    """
    timing, tx, schedule = timing_of(settings, examples), parts.get("tx"), parts.get("schedule")
    rate = check_schedule(schedule or make_schedule(settings.schedule.name, timing.peak, timing.schedule))
    rate = timing.snapshots.rate(rate) if timing.snapshots else rate
    known = rate if tx is None or schedule else None
    groups = _groups(settings, parts, model, image_shape)
    optimizer = dataclasses.replace(settings.optimizer, factors=groups.factors)
    tx = make_optimizer(optimizer, rate) if tx is None else check_optimizer(tx)
    return Learning(timing, groups, tx, known)


def _groups(settings: Settings, parts: Parts, model: nn.Module, shape: tuple[int, int, int]) -> Groups:
    """Returns the groups of parameters that the settings ask for; raises `UserError` where they do not fit the net."""
    o, train = settings.optimizer, settings.train
    if (o.multipliers or o.layer_decay is not None) and parts.get("tx") is not None:
        raise UserError("optimizer.multipliers and layer_decay are of the config's optimizer, and tx was handed over")
    if train.freeze and parts.get("step") is not None:
        raise UserError("train.freeze is of our training step, and a step was handed over: freeze there")
    if train.freeze_norms != NORMS[0] and not train.freeze:
        raise UserError(
            f"train.freeze_norms is {train.freeze_norms}: it says how frozen norms compute, and train.freeze, which "
            "freezes them, is not set"
        )
    if not (train.freeze or o.multipliers or o.layer_decay is not None):
        return Groups()
    return parameter_groups(model, shape, **vars(train), multipliers=o.multipliers, layer_decay=o.layer_decay)

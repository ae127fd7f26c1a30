"""Converts the lengths of a config to steps."""

import math
from fractions import Fraction

from ml_collections import FrozenConfigDict

from jaxcnn.config.durations import parse_boundaries, parse_duration, parse_period
from jaxcnn.errors import UserError
from jaxcnn.train.parts.schedules import Shape


def total_steps(config: FrozenConfigDict, steps_per_epoch: Fraction) -> int:
    """Returns the number of training steps of a run; raises `UserError` if it is 0 or too large to be counted."""
    epochs = Fraction(str(config.total_epochs)) * steps_per_epoch
    total = config.total_steps if config.total_steps is not None else math.ceil(epochs)
    if total < 1:
        raise UserError(f"a run of {total} steps trains nothing: set total_epochs or total_steps above 0")
    if total * config.batch_size >= 2**32:
        most = (2**32 - 1) // config.batch_size
        raise UserError(f"{total} steps of {config.batch_size} examples are too many: a run may have at most {most}")
    return total


def peak_rate(config: FrozenConfigDict) -> float:
    """Returns the schedule's peak learning rate, scaled by the batch size if the config says so."""
    o = config.optimizer
    return o.learning_rate * (1 if o.reference_batch_size is None else config.batch_size / o.reference_batch_size)


def schedule_shape(config: FrozenConfigDict, steps_per_epoch: Fraction, total: int) -> Shape:
    """Returns the shape of the schedule for a run of `total` steps; raises `UserError` for a wrong length."""
    s = config.schedule
    shape = Shape(
        total=total,
        warmup=math.ceil(parse_duration("schedule.warmup", s.warmup, steps_per_epoch)),
        every=math.ceil(parse_period("schedule.every", s.every, steps_per_epoch)),
        boundaries=parse_boundaries("schedule.boundaries", s.boundaries, steps_per_epoch),
        factor=s.factor,
        end_factor=s.end_factor,
    )
    longest = {"warmup": shape.warmup, "every": shape.every, "boundaries": max(shape.boundaries, default=0)}
    for key, steps in longest.items():
        if steps >= 2**31:
            raise UserError(f"schedule.{key} is {s[key]!r}: it is more than {2**31 - 1} steps")
    if s.name == "multistep" and not shape.boundaries:
        raise UserError("schedule multistep needs schedule.boundaries, as '10, 14, 18 epochs'")
    return shape

"""Converts the lengths of a run to steps."""

import math
from fractions import Fraction

from jaxcnn.config.durations import parse_boundaries, parse_duration, parse_period
from jaxcnn.config.table import SETTINGS
from jaxcnn.errors import UserError
from jaxcnn.train.parts.schedules import BOUNDED, Shape
from jaxcnn.train.parts.snapshots import Snapshots
from jaxcnn.train.run import Timing
from jaxcnn.train.settings import AveragingSettings, ScheduleSettings, Settings


def timing_of(settings: Settings, examples: int) -> Timing:
    """Returns the lengths of a run with so many training `examples`, in steps; raises `UserError` for a wrong one."""
    lengths, batch_size = settings.lengths, settings.sharing.batch_size
    steps_per_epoch = Fraction(examples, batch_size)
    total = steps_of(lengths.total_steps, lengths.total_epochs, steps_per_epoch, batch_size)
    shape = schedule_shape(settings.schedule, steps_per_epoch, total)
    reference = settings.optimizer.reference_batch_size
    peak = peak_rate(settings.optimizer.learning_rate, batch_size, reference)
    snapshots = snapshots_of(settings.swa, steps_per_epoch, total, batch_size / reference if reference else 1.0)
    periods = ("log_every", "eval_every", "checkpoint_every")
    return Timing(
        total_steps=total,
        steps_per_epoch=steps_per_epoch,
        schedule=shape,
        peak=peak,
        snapshots=snapshots,
        **{key: parse_period(key, getattr(lengths, key), steps_per_epoch) for key in periods},
    )


def steps_of(steps: int | None, epochs: float, steps_per_epoch: Fraction, batch_size: int) -> int:
    """Returns the number of training steps of a run.

    Args:
        steps: that are asked for; None: as many as the epochs have.
        epochs: otherwise.
        steps_per_epoch: not rounded.
        batch_size: examples in a step.

    Raises:
        UserError: if it is 0 or too large to be counted.
    """
    total = steps if steps is not None else math.ceil(Fraction(str(epochs)) * steps_per_epoch)
    if total < 1:
        raise UserError(f"a run of {total} steps trains nothing: set total_epochs or total_steps above 0")
    if total * batch_size >= 2**32:
        most = (2**32 - 1) // batch_size
        raise UserError(f"{total} steps of {batch_size} examples are too many: a run may have at most {most}")
    return total


def peak_rate(learning_rate: float, batch_size: int, reference: int | None) -> float:
    """Returns the schedule's peak learning rate, scaled by the batch size where there is a size of `reference`."""
    return learning_rate * (1 if reference is None else batch_size / reference)


def snapshots_of(swa: AveragingSettings, steps_per_epoch: Fraction, total: int, scale: float = 1.0) -> Snapshots | None:
    """Returns the states that are averaged; None for none.

    Args:
        swa: their settings.
        steps_per_epoch: not rounded.
        total: steps of the run.
        scale: factor of the learning rate.

    Raises:
        UserError: for a wrong time, one after the end of the run, and settings without `swa.start`.
    """
    rate = swa.learning_rate
    if rate is None and swa.end_factor != 1:
        raise UserError(f"swa.end_factor is {swa.end_factor:g}: it is a share of swa.learning_rate, which is not set")
    if swa.start is None:
        if rate is not None:
            raise UserError(f"swa.learning_rate is {rate:g}: it holds from swa.start on, which is not set")
        if swa.every != SETTINGS["swa.every"].default:
            raise UserError(f"swa.every is {swa.every!r}: it counts from swa.start, which is not set")
        return None
    found = Snapshots(
        start=parse_period("swa.start", swa.start, steps_per_epoch),
        every=parse_period("swa.every", swa.every, steps_per_epoch),
        learning_rate=None if rate is None else rate * scale,
        end_factor=swa.end_factor,
    )
    if not found.count(total):
        raise UserError(
            f"swa.start is {swa.start!r}, which is step {found.first}: the run has {total} steps, and averages nothing"
        )
    return found


def schedule_shape(s: ScheduleSettings, steps_per_epoch: Fraction, total: int) -> Shape:
    """Returns the shape of a schedule; raises `UserError` for a wrong length.

    Args:
        s: its settings.
        steps_per_epoch: not rounded.
        total: steps of the run.
    """
    shape = Shape(
        total=total,
        warmup=math.ceil(parse_duration("schedule.warmup", s.warmup, steps_per_epoch)),
        every=math.ceil(parse_period("schedule.every", s.every, steps_per_epoch)),
        boundaries=parse_boundaries("schedule.boundaries", s.boundaries, steps_per_epoch),
        factor=s.factor,
        end_factor=s.end_factor,
        growth=s.growth,
        options=s.options,
    )
    longest = {"warmup": shape.warmup, "every": shape.every, "boundaries": max(shape.boundaries, default=0)}
    for key, steps in longest.items():
        if steps >= 2**31:
            raise UserError(f"schedule.{key} is {getattr(s, key)!r}: it is more than {2**31 - 1} steps")
    if s.name in BOUNDED and not shape.boundaries:
        raise UserError(f"schedule {s.name} needs schedule.boundaries, as '10, 14, 18 epochs'")
    return shape

"""Learning rate as a function of the step."""

import collections
import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax

from jaxcnn.errors import UserError
from jaxcnn.parts import Part, find_part, part_name, required_positions
from jaxcnn.train.parts.of_optax import OPTAX_SCHEDULES, PEAK, called
from jaxcnn.types import Array


@dataclasses.dataclass(frozen=True)
class Shape:
    """The parameters of schedules. Times are in steps since the start of training."""

    total: int
    warmup: int = 0
    every: int = 1
    boundaries: Sequence[int] = ()
    factor: float = 0.1
    end_factor: float = 0.0
    growth: int = 1
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Further arguments of a schedule of optax, by name."""

    @property
    def decay(self) -> int:
        """Steps between the end of the warm-up and the end of training, at least 1."""
        return max(self.total - self.warmup, 1)


def _constant(peak: float, _: Shape) -> optax.Schedule:
    return optax.constant_schedule(peak)


def _step(peak: float, shape: Shape) -> optax.Schedule:
    return optax.exponential_decay(peak, shape.every, shape.factor, staircase=True)


def _multistep(peak: float, shape: Shape) -> optax.Schedule:
    times = collections.Counter(shape.boundaries)
    return optax.piecewise_constant_schedule(peak, {step: shape.factor**count for step, count in times.items()})


def _exponential(peak: float, shape: Shape) -> optax.Schedule:
    return optax.exponential_decay(peak, shape.every, shape.factor)


def _cosine(peak: float, shape: Shape) -> optax.Schedule:
    decay = optax.cosine_decay_schedule(peak, shape.decay, alpha=shape.end_factor)
    return lambda step: decay(jnp.maximum(step - shape.warmup, 0))


def _linear(peak: float, shape: Shape) -> optax.Schedule:
    return optax.linear_schedule(peak, peak * shape.end_factor, shape.decay, transition_begin=shape.warmup)


def _cosine_restarts(peak: float, shape: Shape) -> optax.Schedule:
    """Returns SGDR: half a cosine over `every` steps, then again from the peak, each `growth` times as long."""
    begins, lengths = [0], [shape.every]
    while shape.growth > 1 and begins[-1] + lengths[-1] < shape.decay:
        begins.append(begins[-1] + lengths[-1])
        lengths.append(lengths[-1] * shape.growth)

    def schedule(step: Array) -> Array:
        after = jnp.maximum(step - shape.warmup, 0)
        turn = jnp.searchsorted(np.array(begins), after, side="right") - 1
        length = jnp.asarray(lengths)[turn]
        share = (after - jnp.asarray(begins)[turn]) % length / length
        return peak * (shape.end_factor + (1 - shape.end_factor) * (1 + jnp.cos(jnp.pi * share)) / 2)

    return schedule


def _of_optax(name: str, peak: float, shape: Shape) -> optax.Schedule:
    """Returns a schedule of optax, over the steps between the end of the warm-up and that of the training."""
    given: dict[str, Any] = dict.fromkeys(PEAK, peak) | dict.fromkeys(("decay_steps", "transition_steps"), shape.decay)
    given |= {"end_value": peak * shape.end_factor}
    times = collections.Counter(step - shape.warmup for step in shape.boundaries)
    given |= {"boundaries_and_scales": {step: shape.factor**count for step, count in times.items()}}
    made = called("schedule", name, OPTAX_SCHEDULES[name], given, shape.options)
    return lambda step: made(jnp.maximum(step - shape.warmup, 0))


SCHEDULES: dict[str, Callable[[float, Shape], optax.Schedule]] = {
    "constant": _constant,  # the peak
    "step": _step,  # times `factor` once every `every` steps
    "multistep": _multistep,  # times `factor` at each of the `boundaries`; twice if two are the same step
    "exponential": _exponential,  # times `factor` over each `every` steps, smoothly
    "cosine": _cosine,  # half a cosine from the end of the warm-up to the end (Loshchilov & Hutter, arXiv:1608.03983)
    "linear": _linear,  # a straight line from the end of the warm-up to the end
    # half a cosine over each `every` steps, `growth` times longer each time (SGDR, the same paper)
    "cosine_restarts": _cosine_restarts,
    # up over 30 % of the steps and down again, both by a cosine (Smith & Topin, arXiv:1708.07120, as in PyTorch)
    "one_cycle": functools.partial(_of_optax, "cosine_onecycle_schedule"),
}
_WITH_OPTIONS = frozenset({"one_cycle"})
_LASTING = {"constant_schedule", "piecewise_constant_schedule"}
ENDING = frozenset({"cosine", "linear", "one_cycle", *OPTAX_SCHEDULES}) - _LASTING
"""Schedules that depend on the last step."""
BOUNDED = frozenset({"multistep", "piecewise_constant_schedule", "piecewise_interpolate_schedule"})
"""Schedules that need boundaries."""


def make_schedule(schedule: Part, peak: float, shape: Shape) -> optax.Schedule:
    """Returns a schedule with a linear warm-up: step (int) -> learning rate (float32 scalar).

    During warm-up, step s has peak * (s + 1) / (warmup + 1), so that the first step already learns (Goyal et al.,
    arXiv:1706.02677, section 2.2). A run that ends before its warm-up never reaches the peak.

    Args:
        schedule: a name in `SCHEDULES`, the name of a function of optax, a path, or a function. A function of (peak,
            shape) returns the schedule after the warm-up. A function of the step alone is the whole schedule, as those
            are that optax's functions make.
        peak: learning rate after the warm-up.
        shape: its parameters, in steps.

    Raises:
        UserError: for anything but a schedule, options that it does not have, and a warm-up before a whole schedule.
    """
    named = {name: functools.partial(_of_optax, name) for name in OPTAX_SCHEDULES} | SCHEDULES
    found = find_part("schedule", schedule, named)
    if shape.options and schedule in SCHEDULES and schedule not in _WITH_OPTIONS:
        raise UserError(f"schedule.options has {next(iter(shape.options))}: schedule {schedule} has no options")
    whole = required_positions(found) == 1
    if whole and shape.warmup:
        raise UserError(
            f"schedule.warmup must be 0: {part_name(schedule)} is a function of the step, and so the whole schedule"
        )
    decay = found if whole else found(peak, shape)
    if not callable(decay):
        raise UserError(f"schedule {part_name(schedule)} makes {decay!r:.60}: it must make a function of the step")
    if not shape.warmup:
        return decay

    def warmed_up(step: Array) -> Array:
        ramp = peak * (step + 1) / (shape.warmup + 1)
        return jnp.where(step < shape.warmup, ramp, decay(step))

    return warmed_up


def unreached(name: str, shape: Shape) -> tuple[str, ...]:
    """Returns a sentence about boundaries of the schedule `name` after the end of training, or ()."""
    late = sum(boundary >= shape.total for boundary in shape.boundaries)
    if name != "multistep" or not late:
        return ()
    return (f"{late} of the {len(shape.boundaries)} schedule.boundaries come after the last step and change nothing",)

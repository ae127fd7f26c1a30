"""Lengths of time, given as a text in steps or epochs, counted exactly in steps."""

import math
import re
from fractions import Fraction

from jaxcnn.errors import UserError

_LENGTH = re.compile(r"((?:\d+\.?\d*|\.\d+)(?:e\d{1,2})?)\s*(steps?|epochs?)?")


def parse_duration(key: str, text: str, steps_per_epoch: Fraction) -> Fraction:
    """Returns the steps, not rounded, that a text such as "500 steps", "2.5 epochs" or "5e2" (steps) stands for.

    Args:
        key: of the config, to be named in an error.
        text: a number and a unit.
        steps_per_epoch: examples of the training split / batch size, not rounded either.

    Raises:
        UserError: for anything else, as "5 minutes" or "2.5 steps".
    """
    match = _LENGTH.fullmatch(text.strip())
    if not match:
        raise UserError(f"{key} is {text!r}: write a number of steps or epochs, as '500 steps' or '2.5 epochs'")
    number, unit = Fraction(match[1]), match[2] or "steps"
    if unit.startswith("epoch"):
        return number * steps_per_epoch
    if number.denominator != 1:
        raise UserError(f"{key} is {text!r}: steps are whole")
    return number


def parse_period(key: str, text: str, steps_per_epoch: Fraction) -> Fraction:
    """Returns `parse_duration`, refusing what comes more than once a step."""
    period = parse_duration(key, text, steps_per_epoch)
    if period < 1:
        raise UserError(f"{key} is {text!r}: it must be at least one step")
    return period


def parse_boundaries(key: str, text: str, steps_per_epoch: Fraction) -> list[int]:
    """Returns the steps of a list that shares its last unit: "10, 14, 18 epochs"; the empty text is no boundary.

    As many as are given, in their order: some may be the same step.
    """
    listed = text.strip().removesuffix(",")
    parts = [part.strip() for part in listed.split(",")] if listed else []
    if "" in parts:
        raise UserError(f"{key} is {text!r}: something is missing before a comma")
    unit = next((word for word in ("epoch", "step") if parts and word in parts[-1]), "step")
    parts = [part if part[-1].isalpha() else f"{part} {unit}s" for part in parts]
    return [math.ceil(parse_duration(key, part, steps_per_epoch)) for part in parts]


def next_due(step: int, period: Fraction) -> int:
    """Returns the first step after `step` at which another whole `period` has passed since step 0."""
    return math.ceil((step // period + 1) * period)


def is_due(step: int, period: Fraction, last: int) -> bool:
    """Returns whether another whole `period` has just passed at `step`, or it is the `last`."""
    return step == last or next_due(step - 1, period) == step

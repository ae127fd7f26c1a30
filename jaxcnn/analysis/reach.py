"""What an operation is told of its inputs, and what it says of its outputs."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from jax.extend.core import JaxprEqn

from jaxcnn.analysis import field
from jaxcnn.analysis.field import Field, Side

UNKNOWN = "unknown"
"""The field of a value whose dependence on the image is not understood."""
Reach: TypeAlias = Field | str | None
"""A field; None for a value that does not depend on the image; or `UNKNOWN`."""


class Input(NamedTuple):
    """What is known of an input of an operation."""

    shape: tuple[int, ...]
    reach: Reach
    known: Callable[[], np.ndarray] | None
    """Computes it, if it depends neither on the image nor on variables."""


Rule: TypeAlias = Callable[[JaxprEqn, Sequence[Input], bool], Reach | Sequence[Reach]]
"""(operation, inputs, beyond) -> the field of its output, or of each; for `beyond` see `field.slid`."""


def both(side: Callable[[Side], Side], reach: Any) -> Field:
    """Returns the field after the same was done to rows and columns."""
    rows, columns = reach
    return side(rows), side(columns)


def merged(reaches: Sequence[Any], rank: int) -> Reach:
    """Returns the field of what depends on several arrays of this rank, elementwise."""
    known = [reach for reach in reaches if reach is not None]
    if UNKNOWN in known:
        return UNKNOWN
    if len(known) < 2:
        return known[0] if known else None
    return field.union([each[0] for each in known], rank), field.union([each[1] for each in known], rank)


def shape_of(variable: Any) -> tuple[int, ...]:
    """Returns the shape of a variable of a jaxpr."""
    return tuple(variable.aval.shape)

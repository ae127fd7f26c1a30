"""Names the stages in which a batch is made."""

from collections.abc import Callable
from typing import TypeVar

import jax

Made = TypeVar("Made")

STAGE = "stage_of_a_batch"
"""The name of a stage in a traced program."""


def stage(make: Callable[[], Made]) -> Made:
    """Returns `make()`, a tree of arrays, traced as a nested `jax.jit` whose name is `STAGE`.

    By itself this changes nothing, because XLA inlines nested calls. `jaxcnn.accel.batches` finds stages by that name.
    """

    def run() -> Made:
        return make()

    run.__name__ = STAGE
    return jax.jit(run)()

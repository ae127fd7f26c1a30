"""A split in memory, and the stratified division of a split in two."""

from typing import NamedTuple

import numpy as np

from jaxcnn.errors import UserError


class Split(NamedTuple):
    """Examples in memory, in a fixed order."""

    image: np.ndarray
    """(examples, height, width, channels) uint8."""
    label: np.ndarray
    """(examples,) int32."""


def cut(labels: np.ndarray, count: int, *, seed: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Divides a split in two, with the same fraction of every class to within one example.

    Args:
        labels: of the split, (examples,) int; at least `count`.
        count: examples in the second part.
        seed: chooses examples within each class; None takes equally spaced ones, always the same.

    Returns:
        The indices of the first and of the second part, each (examples,) int, ascending.
    """
    size = len(labels)
    # NumPy guarantees RandomState's numbers. Those of default_rng may change with a release, and would change the
    # division.
    order = np.arange(size) if seed is None else np.random.RandomState(seed % 2**32).permutation(size)
    by_class = order[np.argsort(labels[order], kind="stable")]
    equally_spaced = (2 * np.arange(count) + 1) * size // (2 * max(count, 1))
    taken = np.zeros(size, bool)
    taken[by_class[equally_spaced]] = True
    return np.flatnonzero(~taken), np.flatnonzero(taken)


def part_count(key: str, part: float, size: int) -> int:
    """Returns the number of examples of a part of `size` training examples: below 1 it is a fraction, else a number.

    Raises:
        UserError: for a number that is negative, not whole, or leaves nothing on either side. The message names `key`.
    """
    count = part if part >= 1 else round(part * size) if part > 0 else 0
    if not 0 < count < size or count != int(count):
        raise UserError(
            f"{key} is {part:g}: it must be a fraction between 0 and 1 or a whole number of examples, "
            f"and leave at least one of the {size:,} training examples on either side"
        )
    return int(count)

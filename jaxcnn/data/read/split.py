"""A split held in memory, and the stratified cut that makes one into two."""

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
    """Cuts `count` examples off a split, the same share of every class to within one example.

    Args:
        labels: of the split, (examples,) int; at least `count`.
        count: examples to cut off.
        seed: of the choice within each class; None takes equally spaced ones, a cut that never changes.

    Returns:
        Which examples are left and which are cut off, (examples,) int each, ascending.
    """
    size = len(labels)
    # RandomState's stream is frozen by NumPy's policy; default_rng's may change with a release, and the cut with it.
    order = np.arange(size) if seed is None else np.random.RandomState(seed % 2**32).permutation(size)
    by_class = order[np.argsort(labels[order], kind="stable")]
    equally_spaced = (2 * np.arange(count) + 1) * size // (2 * max(count, 1))
    taken = np.zeros(size, bool)
    taken[by_class[equally_spaced]] = True
    return np.flatnonzero(~taken), np.flatnonzero(taken)


def part_count(key: str, part: float, size: int) -> int:
    """Returns how many of `size` training examples a part means: below 1 a fraction of them, else a number.

    Raises:
        UserError: naming `key`, for a number that is negative, not whole, or leaves nothing on either side.
    """
    count = part if part >= 1 else round(part * size) if part > 0 else 0
    if not 0 < count < size or count != int(count):
        raise UserError(
            f"{key} is {part:g}: it must be a fraction between 0 and 1 or a whole number of examples, "
            f"and leave at least one of the {size:,} training examples on either side"
        )
    return int(count)

"""How fast several things are, measured in turns, so that what else a machine does strikes all of them alike.

Imports no JAX.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

ROUNDS = 20
AT_LEAST = 3


class Rate(NamedTuple):
    """Images in a second: the middle half of some rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, seconds: Sequence[float] | np.ndarray) -> "Rate":
        """Returns the rate, from the seconds that an image took in each round."""
        low, median, high = np.quantile(1 / np.maximum(seconds, 1e-9), [0.25, 0.5, 0.75]).tolist()
        return cls(median, low, high)


def in_turns(
    contenders: Mapping[str, Callable[[], int]], *, seconds: float, rounds: int = ROUNDS
) -> dict[str, np.ndarray]:
    """Returns the seconds that an image takes each contender in each of its rounds, float64.

    Args:
        contenders: by name, what does some work and returns for how many images; called once first, unmeasured.
        seconds: for each contender, over all rounds; it does its work at least once a round.
        rounds: turns of each, `AT_LEAST` of those who need longer for all of them.
    """
    for contender in contenders.values():
        contender()
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    spent = dict.fromkeys(contenders, 0.0)
    for turn in range(rounds):
        for name, contender in contenders.items():
            if turn < AT_LEAST or spent[name] < seconds:
                began = time.perf_counter()
                taken[name].append(_turn(contender, seconds / rounds))
                spent[name] += time.perf_counter() - began
    return {name: np.array(each) for name, each in taken.items()}


def _turn(contender: Callable[[], int], seconds: float) -> float:
    """Returns the seconds that an image takes, over as many calls as fill the time."""
    began, images = time.perf_counter(), 0
    while True:
        images += contender()
        elapsed = time.perf_counter() - began
        if elapsed >= seconds:
            return elapsed / images

"""Measures several contenders in turns, so that other work of the machine slows all of them alike.

Imports no JAX.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

ROUNDS = 20
AT_LEAST = 3


class Rate(NamedTuple):
    """Images per second: median and quartiles of several rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, seconds: Sequence[float] | np.ndarray) -> "Rate":
        """Returns the rate, given the seconds per image of each round."""
        low, median, high = np.quantile(1 / np.maximum(seconds, 1e-9), [0.25, 0.5, 0.75]).tolist()
        return cls(median, low, high)


def in_turns(
    contenders: Mapping[str, Callable[[], int]], *, seconds: float, rounds: int = ROUNDS
) -> dict[str, np.ndarray]:
    """Returns the seconds per image of each contender in each of its rounds, float64.

    Args:
        contenders: by name, functions that do some work and return the number of its images. Each is first called once
            without being measured.
        seconds: for each contender, in all rounds together. A contender does its work at least once in a round.
        rounds: number of turns of each contender. One that is too slow for all of them has at least `AT_LEAST`.
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
    """Returns the seconds per image, of as many calls as fill the time."""
    began, images = time.perf_counter(), 0
    while True:
        images += contender()
        elapsed = time.perf_counter() - began
        if elapsed >= seconds:
            return elapsed / images

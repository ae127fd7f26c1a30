"""Differences that are more than chance: of paired values, and of two nets on the same examples. Imports no JAX."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import optimize, stats

CONFIDENCE = 0.95
"""Of an interval, if nothing else is said."""
_NEAR = 1e-12
"""How near to 1 a difference is tried."""


class PairedDifference(NamedTuple):
    """How far values are above those that they are paired with. What a single pair does not tell is None."""

    n: int
    """Number of pairs."""
    mean: float
    """Of second - first."""
    std: float | None
    """Sample deviation of the differences, with n - 1."""
    low: float | None
    """Lower end of the t interval of the mean."""
    high: float | None
    p: float | None
    """Of the two-sided paired t test: how often chance alone gives a mean as far from 0, or further."""


def paired_difference(
    first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray, *, confidence: float = CONFIDENCE
) -> PairedDifference:
    """Returns how far `second` is above `first`, by Student's t over the pairs, as the seeds of two runs.

    Differences that are all the same have an interval of no width; their p is 1 if they are 0, and else 0.

    Args:
        first: (pairs,) finite values.
        second: (pairs,) values, each paired with the one at its place in `first`.
        confidence: of the interval, between 0 and 1.

    Raises:
        ValueError: for no pairs, or values without a partner.
    """
    one, two = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if one.ndim != 1 or one.shape != two.shape or not one.size:
        raise ValueError(f"values of shapes {one.shape} and {two.shape} are no pairs")
    differences = two - one
    n, mean = len(differences), float(np.mean(differences))
    if n == 1:
        return PairedDifference(n, mean, None, None, None, None)
    std = float(np.std(differences, ddof=1))
    error = std / math.sqrt(n)
    reach = float(stats.t.ppf((1 + confidence) / 2, n - 1)) * error
    t = abs(mean) / error if error else math.inf if mean else 0.0
    p = 2 * float(stats.t.sf(t, n - 1))
    return PairedDifference(n, mean, std, mean - reach, mean + reach, p)


class Paired(NamedTuple):
    """Two nets on the same examples: how many each of them gets right, and whether they differ."""

    n: int
    """Number of examples."""
    both: int
    """Examples that both get."""
    only_first: int
    only_second: int
    neither: int
    difference: float
    """Accuracy of the second net - that of the first."""
    low: float
    """Lower end of the interval of the difference."""
    high: float
    p: float
    """Of McNemar's exact test, two-sided."""


def mcnemar(first: np.ndarray, second: np.ndarray, *, confidence: float = CONFIDENCE) -> Paired:
    """Returns how two nets compare on the same examples.

    The test asks whether the examples that only one net gets are shared out like the tosses of a coin (McNemar,
    Psychometrika 1947; exact, by the binomial distribution). The interval is Tango's score interval (Statistics in
    Medicine 1998, section 3), which also holds for few examples and for accuracies near 1.

    Args:
        first: (examples,) bool, whether the first net is right.
        second: (examples,) bool, likewise for the second net and the same examples.
        confidence: of the interval, between 0 and 1.

    Raises:
        ValueError: for no examples, or different numbers of them.
    """
    one, two = np.asarray(first, bool), np.asarray(second, bool)
    if one.ndim != 1 or one.shape != two.shape or not one.size:
        raise ValueError(f"answers of shapes {one.shape} and {two.shape} are not of the same examples")
    n, both, neither = len(one), int(np.sum(one & two)), int(np.sum(~one & ~two))
    only_first, only_second = int(np.sum(one & ~two)), int(np.sum(two & ~one))
    odd = only_first + only_second
    p = float(stats.binomtest(only_first, odd).pvalue) if odd else 1.0
    low, high = _score_interval(only_second, only_first, n, confidence)
    return Paired(n, both, only_first, only_second, neither, (only_second - only_first) / n, low, high, p)


def _score_interval(plus: int, minus: int, n: int, confidence: float) -> tuple[float, float]:
    """Returns Tango's interval of (plus - minus) / n: the differences that a score test would not refuse.

    Args:
        plus: pairs in which the second alone is right.
        minus: pairs in which the first alone is right.
        n: number of pairs.
        confidence: of the interval.
    """
    reach = float(stats.norm.ppf((1 + confidence) / 2))

    def score(difference: float) -> float:
        linear = -plus - minus + (2 * n - plus + minus) * difference
        constant = -minus * difference * (1 - difference)
        share = (math.sqrt(max(linear**2 - 8 * n * constant, 0.0)) - linear) / (4 * n)
        variance = n * (2 * share + difference * (1 - difference))
        # pairs that are all alike have no variance at their own difference, and their score there is 0
        return (plus - minus - n * difference) / math.sqrt(variance) if variance > 0 else 0.0

    found = (plus - minus) / n

    def bound(end: float) -> float:
        """Returns the difference nearest to `end`, -1 or 1, that is not refused."""
        outer = end * (1 - _NEAR)
        if found == end or -end * score(outer) <= reach:
            return end
        return float(optimize.brentq(lambda difference: -end * score(difference) - reach, outer, found))

    return bound(-1.0), bound(1.0)


def holm(p: Sequence[float]) -> list[float]:
    """Returns p-values of several tests, adjusted so that one limit holds for all of them together (Holm, 1979).

    If none of the differences exists, an adjusted value below 0.05 occurs in at most a twentieth of such tables.

    Args:
        p: of each test.
    """
    order = sorted(range(len(p)), key=lambda place: p[place])
    adjusted = [0.0] * len(p)
    largest = 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(p) - rank) * p[place]))
        adjusted[place] = largest
    return adjusted

"""How many seeds it takes: to know a difference to a width, and to find one of a size. Imports no JAX.

An interval that is looked at after each seed, until it is narrow enough, is too narrow: a deviation that is small by
chance ends the search. Stein's two stages (Annals of Mathematical Statistics, 1945) have no such error. The first
stage alone says how many seeds there will be, and its deviation stays the one that the interval is made of.
"""

import bisect
import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from jaxcnn.comparing.statistics import CONFIDENCE, PairedDifference

POWER = 0.8
"""With which a difference is to be found."""
_MOST = 100_000


def seeds_for_width(first: Sequence[float] | np.ndarray, width: float, *, confidence: float = CONFIDENCE) -> int:
    """Returns how many seeds there must be in all, so that the interval of their mean reaches `width` to each side.

    Args:
        first: (seeds,) paired differences of the first stage, at least two.
        width: half of that of the interval.
        confidence: of the interval.
    """
    values = np.asarray(first, np.float64)
    t = float(stats.t.ppf((1 + confidence) / 2, len(values) - 1))
    return max(len(values), math.ceil((t * float(np.std(values, ddof=1)) / width) ** 2))


def two_stage(
    differences: Sequence[float] | np.ndarray, first: int, *, confidence: float = CONFIDENCE
) -> PairedDifference:
    """Returns the mean of paired differences of both stages, with Stein's interval: exact for normal differences.

    Args:
        differences: (seeds,) of both stages, those of the first stage first.
        first: number of seeds of the first stage, at least two.
        confidence: of the interval.
    """
    values = np.asarray(differences, np.float64)
    n, mean, std = len(values), float(np.mean(values)), float(np.std(values[:first], ddof=1))
    error = std / math.sqrt(n)
    reach = float(stats.t.ppf((1 + confidence) / 2, first - 1)) * error
    p = float(2 * stats.t.sf(abs(mean) / error, first - 1)) if error else float(mean == 0)
    return PairedDifference(n, mean, std, mean - reach, mean + reach, p)


def seeds_to_detect(difference: float, deviation: float, *, comparisons: int = 1, power: float = POWER) -> int:
    """Returns how many seeds a paired t test needs to find a difference, by the noncentral t distribution.

    Args:
        difference: of the means, to be found.
        deviation: of the paired differences.
        comparisons: that share an error of 5 %, each of them a part of it (Bonferroni), which is never too few seeds.
        power: probability of finding it.
    """
    alpha = (1 - CONFIDENCE) / comparisons
    most = 2
    while _power(difference, deviation, most, alpha) < power and most < _MOST:
        most *= 2
    counts = range(2, most + 1)
    return counts[bisect.bisect_left(counts, power, key=lambda n: _power(difference, deviation, n, alpha))]


def _power(difference: float, deviation: float, n: int, alpha: float) -> float:
    """Returns the probability with which a two-sided paired t test of n pairs finds a difference."""
    if deviation == 0:
        return 1.0
    t, shift = float(stats.t.ppf(1 - alpha / 2, n - 1)), abs(difference) / deviation * math.sqrt(n)
    above, below = stats.nct.sf(t, n - 1, shift), stats.nct.cdf(-t, n - 1, shift)
    return 1.0 if math.isnan(above) else float(above) + float(np.nan_to_num(below))  # NaN: a shift that is very far

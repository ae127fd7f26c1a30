"""How many seeds a grid needs, by what its finished runs say of the paired differences."""

import math
import statistics
from collections.abc import Mapping
from pathlib import Path

from jaxcnn.comparing.grid import Grid
from jaxcnn.comparing.outcomes import outcomes
from jaxcnn.comparing.precision import POWER, seeds_for_width, seeds_to_detect
from jaxcnn.comparing.rows import pairs, scores_of
from jaxcnn.errors import say

ASSUMED = (0.001, 0.002, 0.003, 0.005, 0.01)
"""Deviations of paired differences that are tried where none is known."""


def first_differences(grid: Grid, folder: Path) -> dict[str, list[float]]:
    """Returns the paired differences from the baseline of each other cell, over the grid's seeds that both have."""
    found = outcomes(grid, folder)
    scores = {cell.name: scores_of(cell, found) for cell in grid}
    base = {seed: score for seed, score in scores[grid.baseline].items() if seed in grid.seeds}
    return {
        name: [other[seed] - base[seed] for seed in pairs(base, other)]
        for name, other in scores.items()
        if name != grid.baseline
    }


def second_stage(grid: Grid, folder: Path, width: float, most: int) -> Mapping[str, list[int]]:
    """Returns the seeds of each cell that make its interval as narrow as asked, and says how many there are.

    Args:
        grid: whose first seeds are trained.
        folder: of the grid.
        width: half of that of an interval, a share.
        most: seeds of a cell.
    """
    first = grid.seeds[0]
    needs: dict[str, int] = {}
    for name, values in first_differences(grid, folder).items():
        if len(values) < 2:
            say(f"{name}: too few pairs of finished runs to say how many seeds ± {100 * width:g} points take")
            continue
        asked = seeds_for_width(values, width)
        half = seeds_for_width(values, width / 2)
        needs[name] = min(asked, most)
        cut = f", of which {most} are trained (--most-seeds)" if asked > most else ""
        say(f"{name}: ± {100 * width:g} points take {asked} seeds{cut}; half of that would take {half}")
    needs[grid.baseline] = max(needs.values(), default=0)
    return {name: list(range(first, first + max(count, len(grid.seeds)))) for name, count in needs.items()}


def detectable(grid: Grid, folder: Path, difference: float, deviation: float | None) -> list[str]:
    """Returns, in sentences, how many seeds it takes to find a difference from the baseline.

    Args:
        grid: that is planned.
        folder: of the grid, whose finished runs tell the deviation of paired differences.
        difference: to be found, a share.
        deviation: of paired differences, a share; None for that of the finished runs, or some that are usual.
    """
    comparisons = max(len(grid.cells) - 1, 1)
    known = deviation if deviation is not None else _pooled(first_differences(grid, folder))
    says = f"to find a difference of {100 * difference:g} points with a probability of {POWER:.0%}"
    shared = f", the 5 % of error shared by {comparisons} comparisons" if comparisons > 1 else " and 5 % of error"
    if known is not None:
        source = "as given" if deviation is not None else "measured in the finished runs"
        count = seeds_to_detect(difference, known, comparisons=comparisons)
        spread = f"where paired differences deviate by {100 * known:.2f} points ({source})"
        return [f"{says}{shared}: {count} seeds of each cell, {spread}"]
    lines = [f"{says}{shared}, by how much paired differences deviate, which is not known yet:"]
    for each in ASSUMED:
        count = seeds_to_detect(difference, each, comparisons=comparisons)
        lines.append(f"  {100 * each:.1f} points: {count} seeds of each cell")
    return lines


def _pooled(differences: Mapping[str, list[float]]) -> float | None:
    """Returns the deviation of paired differences over all cells, each about its own mean; None if none is known."""
    spreads = [(len(values) - 1, statistics.variance(values)) for values in differences.values() if len(values) > 1]
    freedom = sum(count for count, _ in spreads)
    return math.sqrt(sum(count * variance for count, variance in spreads) / freedom) if freedom else None

"""What a grid says: of each cell its accuracy over the seeds, its difference from the baseline, and its cost."""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.addresses import last_part
from jaxcnn.analysis.layer import Extent
from jaxcnn.comparing.costs import Costs
from jaxcnn.comparing.grid import Cell, Grid
from jaxcnn.comparing.outcomes import Outcome, finished
from jaxcnn.comparing.precision import two_stage
from jaxcnn.comparing.statistics import PairedDifference, holm, paired_difference
from jaxcnn.reporting.facts import pace


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """A cell of the grid, as the table has it. What is not known is None."""

    cell: str
    values: Mapping[str, str]
    planned: int
    """Number of seeds that were asked for."""
    scores: Mapping[int, float]
    """Seed -> the metric of the last state, a share."""
    mean: float | None
    std: float | None
    """Sample deviation, with n - 1; None of a single seed."""
    difference: PairedDifference | None
    """From the baseline, over the seeds that both have; None of the baseline itself."""
    holm: float | None
    """p of the difference, adjusted for all differences of the table."""
    parameters: int | None
    multiply_adds: int | None
    field: Extent
    images_per_second: float | None
    """Median of the runs, each of its logs."""
    peak_memory: int | None
    """In bytes, the largest of the runs."""
    seconds: float | None
    """That a run took, the mean."""
    to_target: float | None
    """Seconds until a validation reached the target, the mean of the runs that did."""
    reached: int
    """Runs that reached the target."""
    steps: int | None
    """Of a run."""
    troubles: Sequence[Mapping[str, Any]]
    """Of each run that is not finished its `seed`, `state`, `reason` and `steps`."""

    @property
    def n(self) -> int:
        """Number of finished runs."""
        return len(self.scores)


def rows_of(grid: Grid, found: Sequence[Outcome], *, split: str = "test", metric: str = "accuracy") -> list[Row]:
    """Returns the table of a grid.

    Args:
        grid: that was trained.
        found: all of its runs.
        split: of which the last state's metric is taken.
        metric: its name.
    """
    scores = {cell.name: scores_of(cell, found, split=split, metric=metric) for cell in grid}
    base = scores[grid.baseline]
    differences = {cell.name: _difference(grid, base, scores[cell.name]) for cell in grid if cell.name != grid.baseline}
    tested = [name for name, each in differences.items() if each and each.p is not None]
    costs = Costs()
    adjusted = dict(zip(tested, holm([differences[name].p for name in tested]), strict=True))  # type: ignore[union-attr,misc]
    return [
        _row(
            cell,
            [each for each in found if each.cell == cell],
            planned=len(grid.seeds),
            scores=scores[cell.name],
            difference=differences.get(cell.name),
            adjusted=adjusted.get(cell.name),
            target=grid.target,
            costs=costs,
        )
        for cell in grid
    ]


def scores_of(
    cell: Cell, found: Sequence[Outcome], *, split: str = "test", metric: str = "accuracy"
) -> dict[int, float]:
    """Returns the metric of the last state of each finished run of a cell, by its seed; arguments as of `rows_of`."""
    own = [each for each in finished(found) if each.cell == cell]
    values = {each.seed: each.last(split).get(f"{split}/{metric}") for each in own}
    return {seed: float(value) for seed, value in values.items() if value is not None}


def pairs(base: Mapping[int, float], other: Mapping[int, float]) -> list[int]:
    """Returns the seeds that both cells have, in order."""
    return [seed for seed in other if seed in base]


def _difference(grid: Grid, base: Mapping[int, float], other: Mapping[int, float]) -> PairedDifference | None:
    both = pairs(base, other)
    first = sum(seed in grid.seeds for seed in both)
    if not both:
        return None
    if grid.until is not None and first > 1:
        return two_stage([other[seed] - base[seed] for seed in both], first)
    return paired_difference([base[seed] for seed in both], [other[seed] for seed in both])


def _row(
    cell: Cell,
    found: Sequence[Outcome],
    *,
    planned: int,
    scores: Mapping[int, float],
    difference: PairedDifference | None,
    adjusted: float | None,
    target: float | None,
    costs: Costs,
) -> Row:
    """Returns the row of a cell; arguments as the fields of `Row`."""
    done = [each for each in finished(found) if each.run]
    runs = [each.run for each in done if each.run]
    cost = costs.of(runs[0]) if runs else None
    known = [run.card for run in runs]
    first = next((each.run for each in found if each.run), None)
    reached = [time for each in done if target is not None and (time := _time_to(each, target)) is not None]
    paces = [speed for run in runs if (speed := pace(run)[0]) is not None]
    memory = [size for card in known if (size := _memory(card)) is not None]
    values = list(scores.values())
    return Row(
        cell=cell.name,
        values=cell.values,
        planned=planned,
        scores=scores,
        mean=statistics.fmean(values) if values else None,
        std=statistics.stdev(values) if len(values) > 1 else None,
        difference=difference,
        holm=adjusted,
        parameters=first.card["parameters"] if first else None,
        multiply_adds=cost.multiply_adds if cost else None,
        field=cost.field if cost else None,
        images_per_second=statistics.median(paces) if paces else None,
        peak_memory=max(memory, default=None),
        seconds=statistics.fmean(card["duration_seconds"] for card in known) if known else None,
        to_target=statistics.fmean(reached) if reached else None,
        reached=len(reached),
        steps=first.card["total_steps"] if first else None,
        troubles=[_trouble(each) for each in found if each not in done],
    )


def _trouble(one: Outcome) -> dict[str, Any]:
    return {"seed": one.seed, "state": one.state, "reason": one.reason, "steps": list(one.steps)}


def _memory(card: Mapping[str, Any]) -> int | None:
    """Returns the peak memory of a run: of its device where that counts it, else of its process."""
    peak = card.get("peak_memory") or {}
    return peak.get("device") or peak.get("process")


def _time_to(one: Outcome, target: float) -> float | None:
    """Returns the seconds after which a validation first had the target accuracy; None if none did."""
    rows = one.run.rows if one.run else ()
    return next((row["time"] for row in rows if (row.get("val/accuracy") or 0.0) >= target), None)


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Table:
    """All that a grid says, as numbers. `jaxcnn.comparing.results.Results` is one that can be printed."""

    folder: Path
    """On this machine: itself, or the copy of one in a bucket."""
    grid: Grid
    split: str
    """Of which the scores are."""
    rows: Sequence[Row]
    """In the order of the cells."""
    found: Sequence[Outcome]
    """All runs."""
    address: str = ""
    """Of the folder in a bucket; "" on a disk."""

    @property
    def name(self) -> str:
        """Of the folder: the last part."""
        return last_part(self.folder, self.address)

    def row(self, cell: str) -> Row:
        """Returns the row of a cell by its name; raises `UserError` where there is none."""
        self.grid.cell(cell)
        return next(row for row in self.rows if row.cell == cell)

    @property
    def complete(self) -> bool:
        """Whether all runs are finished."""
        return not any(row.troubles for row in self.rows)

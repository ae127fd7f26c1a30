"""What stands below the table of a grid: what its numbers are, and which runs are missing from them and why."""

from collections.abc import Sequence

from jaxcnn.comparing.outcomes import FINISHED
from jaxcnn.comparing.rows import Table
from jaxcnn.comparing.statistics import CONFIDENCE
from jaxcnn.reporting import facts
from jaxcnn.table import counted


def notes(results: Table) -> list[str]:
    """Returns sentences about the numbers."""
    grid = results.grid
    tested = sum(row.holm is not None for row in results.rows)
    lines = [
        f"Accuracy is that of the last state on the {results.split} split, never of the best epoch: mean ± sample "
        "deviation over n seeds.",
    ]
    if len(grid.cells) > 1:
        pairs = "Pairs have the same seed, which means the same split and the same order of examples."
        lines.append(f"Differences are from {grid.baseline}. {pairs} {_interval(results)}")
        if tested:
            lines.append(f"p is of the paired t test, adjusted by Holm over {counted(tested, 'difference')}.")
    if any(row.parameters is not None for row in results.rows):
        lines.append(_of_costs(results))
    if grid.target is not None:
        lines.append(f"The time to {100 * grid.target:g}% is that of the first validation with it, the mean of runs.")
    return [*lines, *_machines(results)]


def _of_costs(results: Table) -> str:
    return (
        "1 multiply-add = 2 FLOP, for one image. The field is what a cell of the last map sees, in pixels. Images/s "
        f"are of training, the median. Memory is the peak of {_whose_memory(results)}. Time is that of a run, the mean."
    )


def _interval(results: Table) -> str:
    if results.grid.until is None:
        return f"Intervals are of Student's t, {CONFIDENCE:.0%}, each for itself."
    width = f"± {100 * results.grid.until:g} points"
    return (
        f"Seeds were added until intervals reach {width}, by Stein's two stages: the first {len(results.grid.seeds)} "
        "seeds alone say how many, and their deviation is that of the interval, which is exact for normal differences, "
        f"{CONFIDENCE:.0%}, each for itself."
    )


def _whose_memory(results: Table) -> str:
    peaks = [each.run.card.get("peak_memory") or {} for each in results.found if each.run]
    devices = any(peak.get("device") for peak in peaks)
    return "the fullest device" if devices else "the whole process"


def _machines(results: Table) -> list[str]:
    cards = [each.run.card for each in results.found if each.run and each.state == FINISHED]
    machines = dict.fromkeys(facts.machine(card) for card in cards)
    versions = dict.fromkeys(facts.versions(card) for card in cards)
    return [f"On {each}." for each in machines] + [f"With {each}." for each in versions]


def missing(results: Table) -> list[str]:
    """Returns a line for each run that is not in the table, those alike together."""
    lines = []
    for row in results.rows:
        alike: dict[tuple[str, str], list[int]] = {}
        for each in row.troubles:
            alike.setdefault((each["state"], each["reason"]), []).append(each["seed"])
        lines += [f"{row.cell}, {_seeds(seeds)}: {_why(*about)}" for about, seeds in alike.items()]
    return lines


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"


def _why(state: str, reason: str) -> str:
    return f"{state}: {reason}" if reason else state

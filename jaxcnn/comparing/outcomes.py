"""What has become of the runs of a grid, as their folders have it. No weights are read."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.comparing.grid import Cell, Grid
from jaxcnn.config.keys import flat
from jaxcnn.errors import UserError, one_line
from jaxcnn.json_file import read_json, write_json
from jaxcnn.locks import FileLock, Held
from jaxcnn.reporting.recorded import Recorded, read_run

FINISHED, FAILED, RUNNING, UNFINISHED, ABSENT = "finished", "failed", "running", "unfinished", "not begun"
STATES = (FINISHED, FAILED, RUNNING, UNFINISHED, ABSENT)
_LONGEST = 300
"""Characters of a reason that are kept."""


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Outcome:
    """A run of a grid."""

    cell: Cell
    seed: int
    place: Path
    state: str
    """One of `STATES`."""
    reason: str = ""
    """Why it failed."""
    run: Recorded | None = None
    """None if its folder has no run yet."""

    @property
    def steps(self) -> tuple[int, int]:
        """How many steps it has taken, and of how many; (0, 0) if nothing is known."""
        return (self.run.step, int(self.run.card["total_steps"])) if self.run else (0, 0)

    @property
    def settings(self) -> dict[str, Any]:
        """Its settings by their full names; {} if it has none. A setting that its jaxcnn did not know is missing."""
        return flat(read_json(self.place / "config.json")) if self.run else {}

    def last(self, split: str) -> Mapping[str, Any]:
        """Returns the row of metrics.jsonl with the last evaluation on a split; {} if there is none."""
        rows = self.run.rows if self.run else ()
        return next((row for row in reversed(rows) if f"{split}/loss" in row), {})


def place_of(folder: Path, cell: Cell, seed: int) -> Path:
    """Returns the run folder of a cell's seed."""
    return folder / cell.name / f"seed{seed}"


def log_of(place: Path) -> Path:
    """Returns the file with what a run has printed."""
    return place.with_name(f"{place.name}.log")


def note_failure(place: Path, reason: str) -> None:
    """Keeps why a run failed, beside its folder: it may have none."""
    place.parent.mkdir(parents=True, exist_ok=True)
    write_json(_failure(place), {"reason": one_line(reason)[:_LONGEST]})


def forget_failure(place: Path) -> None:
    """Removes what `note_failure` wrote, if it did."""
    _failure(place).unlink(missing_ok=True)


def _failure(place: Path) -> Path:
    return place.with_name(f"{place.name}.failed.json")


def outcomes(grid: Grid, folder: Path) -> list[Outcome]:
    """Returns what has become of every run: those of the grid's seeds, and what there is of others, cell by cell."""
    return [outcome(folder, cell, seed) for cell in grid for seed in seeds_of(grid, folder, cell)]


def seeds_of(grid: Grid, folder: Path, cell: Cell) -> list[int]:
    """Returns the seeds of a cell: those of the grid, and those that have a folder."""
    there = [entry.name.removeprefix("seed") for entry in (folder / cell.name).glob("seed*") if entry.is_dir()]
    return sorted({*grid.seeds, *(int(number) for number in there if number.isdecimal())})


def outcome(folder: Path, cell: Cell, seed: int) -> Outcome:
    """Returns what has become of a run."""
    place = place_of(folder, cell, seed)
    run, trouble = _read(place)
    state, reason = _state(place, run, trouble)
    return Outcome(cell=cell, seed=seed, place=place, state=state, reason=reason, run=run)


def _state(place: Path, run: Recorded | None, trouble: str) -> tuple[str, str]:
    if run and run.finished:
        return FINISHED, ""
    if place.is_dir() and in_use(place):
        return RUNNING, ""
    if _failure(place).is_file():
        return FAILED, str(read_json(_failure(place)).get("reason", ""))
    if run and (failed := run.card.get("failed")):  # also of one that a scheduler has started
        return FAILED, one_line(failed["reason"])[:_LONGEST]
    if trouble:
        return FAILED, trouble
    return (UNFINISHED, "") if run else (ABSENT, "")


def _read(place: Path) -> tuple[Recorded | None, str]:
    """Returns the run of a folder, or None; and what is wrong with its files, or ""."""
    if not all((place / name).is_file() for name in ("config.json", "run.json")):
        return None, ""
    try:
        return read_run(str(place), place.name, place), ""
    except UserError as error:
        return None, str(error).replace(str(place), place.name)


def in_use(place: Path) -> bool:
    """Returns whether a process has the lock of a run folder."""
    if not (place / "lock").is_file():
        return False
    try:
        with FileLock(place / "lock"):
            return False
    except Held:
        return True
    except OSError:  # a folder that cannot be written
        return False


def commits_of(found: Sequence[Outcome]) -> list[str]:
    """Returns the commits of the code that trained runs, as far as their cards know them."""
    return sorted({commit for each in found if each.run and (commit := each.run.card.get("git_commit"))})


def finished(found: Sequence[Outcome]) -> list[Outcome]:
    """Returns those that are finished."""
    return [each for each in found if each.state == FINISHED]

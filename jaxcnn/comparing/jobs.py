"""The runs of a grid that are left to train, and the command line of each."""

import dataclasses
import functools
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.comparing.base import config_of
from jaxcnn.comparing.grid import Cell, Grid
from jaxcnn.comparing.outcomes import FAILED, FINISHED, Outcome, outcome, place_of
from jaxcnn.config import base_config
from jaxcnn.config.file import assign
from jaxcnn.config.keys import flat, is_free, parse_value
from jaxcnn.config.kinds import parse_literal
from jaxcnn.config.table import SETTINGS
from jaxcnn.errors import UserError

_LENGTH = ("total_epochs", "total_steps")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """A run to train."""

    cell: Cell
    seed: int
    place: Path
    """Of its folder on this machine: itself, or the copy of one in a bucket."""
    address: str = ""
    """Of its folder in a bucket; "" on a disk."""

    @property
    def name(self) -> str:
        """In messages: "resnet20-group/seed1"."""
        return f"{self.cell.name}/{self.place.name}"

    @property
    def arguments(self) -> list[str]:
        """Of `jaxcnn`."""
        return ["train", *self.cell.arguments, f"--config.seed={self.seed}", f"--workdir={self.address or self.place}"]

    @property
    def line(self) -> str:
        """Its command line, for a shell or a scheduler."""
        return shlex.join(["jaxcnn", *self.arguments])

    @property
    def command(self) -> list[str]:
        """Its command line in this Python."""
        return [sys.executable, "-m", "jaxcnn", *self.arguments]


def job_of(cell: Cell, seed: int, folder: Path, address: str = "") -> Job:
    """Returns the run of a cell's seed; further arguments as of `jobs_of`."""
    place = place_of(folder, cell, seed)
    return Job(
        cell=cell,
        seed=seed,
        place=place,
        address=f"{address}/{place.relative_to(folder).as_posix()}" if address else "",
    )


def jobs_of(
    grid: Grid, folder: Path, wanted: Mapping[str, Sequence[int]] | None = None, *, address: str = ""
) -> list[Job]:
    """Returns the runs of a grid, seed by seed, so that a grid that is stopped has the same seeds of all cells.

    Args:
        grid: that is trained.
        folder: of the grid.
        wanted: the seeds of each cell by its name; None for those of the grid.
        address: of the folder in a bucket, whose copy `folder` is; "" on a disk.
    """
    of_cell = {cell.name: list(grid.seeds) for cell in grid} if wanted is None else wanted
    last = max(map(len, of_cell.values()), default=0)
    return [
        job_of(cell, seed, folder, address)
        for turn in range(last)
        for cell in grid
        for seed in of_cell.get(cell.name, ())[turn : turn + 1]
    ]


def left(jobs: Sequence[Job], folder: Path, *, retry: bool = False) -> list[Job]:
    """Returns the jobs that are still to be done: not those that are finished, and those that failed only to `retry`.

    Raises:
        UserError: for a folder that has a run with other settings than are asked for now.
    """
    found = [(job, outcome(folder, job.cell, job.seed)) for job in jobs]
    for job, one in found:
        _check_alike(job, one)
    return [job for job, one in found if not _done(job, one) and (retry or one.state != FAILED)]


def is_done(job: Job, folder: Path) -> bool:
    """Returns whether a run is finished, at the length that is asked for."""
    return _done(job, outcome(folder, job.cell, job.seed))


def _done(job: Job, one: Outcome) -> bool:
    if one.state != FINISHED or one.run is None:
        return False
    asked, had = settings_of(job.cell), one.settings
    return all(had.get(key) == asked[key] for key in _LENGTH)


def settings_of(cell: Cell) -> dict[str, Any]:
    """Returns the settings of a cell by their full names; raises `UserError` where its config cannot be read."""
    return dict(_settings(cell.base, cell.changes))


@functools.cache
def _settings(base: str, changes: tuple[tuple[str, str], ...]) -> Mapping[str, Any]:
    found = config_of(base)
    for key, text in changes:
        assign(found, key, parse_literal(text) if is_free(key) else parse_value(key, text))
    return flat(found.to_dict())


@functools.cache
def _defaults() -> Mapping[str, Any]:
    return flat(base_config().to_dict())


def _check_alike(job: Job, one: Outcome) -> None:
    """Raises `UserError` where a folder has a run of other settings, which would stand in the table unnoticed."""
    if one.run is None:
        return
    asked, had = settings_of(job.cell), {**_defaults(), **one.settings}
    for key in sorted(asked.keys() | had.keys()):
        may_change = key == "seed" or (key in SETTINGS and SETTINGS[key].resumable)
        if not may_change and _text(asked.get(key)) != _text(had.get(key)):
            raise UserError(
                f"{one.place} was trained with {key} {_text(had.get(key))}, and {_text(asked.get(key))} is asked for "
                "now: use another --output"
            )


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)

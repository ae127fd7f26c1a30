"""How long the runs of a grid take, and which of them fit into a given time."""

import dataclasses
import math
import re
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from jaxcnn.comparing.grid import Cell, Grid
from jaxcnn.comparing.jobs import Job, job_of, settings_of
from jaxcnn.comparing.outcomes import FINISHED, Outcome, finished, outcome, seeds_of
from jaxcnn.comparing.worker import trained
from jaxcnn.config.durations import parse_duration
from jaxcnn.errors import UserError
from jaxcnn.json_file import read_json, write_json

_LENGTH = re.compile(r"(\d+\.?\d*|\.\d+)\s*(s|min|h|d)")
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
_TRIAL = 24
"""Steps of a trial."""
_FORWARD = 3
"""A training step computes about so many times what an evaluation of its images does (Kaplan et al., 2020, 2.1)."""
TRIAL = "trial.json"
"""In the folder of a cell: how long a short run took."""


def seconds_of(text: str) -> float:
    """Returns the seconds that "30min", "90 s", "1.5 h" or "2d" stands for; raises `UserError` for anything else."""
    found = _LENGTH.fullmatch(text.strip())
    if not found or not float(found[1]):
        raise UserError(f"the budget is {text!r}: write a time as 90s, 30min, 1.5h or 2d")
    return float(found[1]) * _SECONDS[found[2]]


@dataclasses.dataclass(frozen=True)
class Plan:
    """Which jobs fit into a time."""

    fits: tuple[Job, ...]
    left_out: tuple[Job, ...]
    seconds: float
    """That those which fit take, about."""


def planned(jobs: Sequence[Job], estimates: Mapping[str, float], seconds: float) -> Plan:
    """Returns which of the jobs fit, in their order. A job that does not fit is left out, and smaller ones may follow.

    Args:
        jobs: to do.
        estimates: seconds of a job by its name.
        seconds: that there are.
    """
    spent, fits, left_out = 0.0, [], []
    for job in jobs:
        if spent + estimates[job.name] <= seconds:
            spent += estimates[job.name]
            fits.append(job)
        else:
            left_out.append(job)
    return Plan(tuple(fits), tuple(left_out), spent)


def estimated(jobs: Sequence[Job], grid: Grid, folder: Path) -> dict[str, float]:
    """Returns the seconds that each job still takes, by its name, where that is known of its cell.

    Known is what finished runs of the cell took, the median of them; else what a trial says.
    """
    cells = {job.cell.name: job.cell for job in jobs}
    whole = {name: _of_cell(grid, cell, folder) for name, cell in cells.items()}
    return {
        job.name: seconds * (1 - _share(outcome(folder, job.cell, job.seed)))
        for job in jobs
        if (seconds := whole[job.cell.name]) is not None
    }


def _share(one: Outcome) -> float:
    """Returns the share of a run that is done."""
    step, total = one.steps
    return min(step / total, 1.0) if total else 0.0


def _of_cell(grid: Grid, cell: Cell, folder: Path) -> float | None:
    found = finished([outcome(folder, cell, seed) for seed in seeds_of(grid, folder, cell)])
    took = [each.run.card["duration_seconds"] for each in found if each.run]
    if took:
        return statistics.median(took)
    file = folder / cell.name / TRIAL
    return float(read_json(file)["seconds"]) if file.is_file() else None


def tried(cell: Cell, seed: int, folder: Path) -> float | None:
    """Trains a cell for a few steps, elsewhere; returns the seconds that the whole run would take, and keeps them.

    None if the trial fails: the run itself will say why. Raises `Stopped` as `trained`.
    """
    settings = settings_of(cell)
    short = {"total_steps": str(_TRIAL), "log_every": f"{_TRIAL // 2} steps", "tensorboard": "false"}
    brief = dataclasses.replace(cell, changes=(*cell.changes, *short.items()))
    with tempfile.TemporaryDirectory(prefix="trial-", dir=folder) as elsewhere:
        place = Path(elsewhere)
        trained(job_of(brief, seed, place), place)
        one = outcome(place, brief, seed)
    if one.state != FINISHED or one.run is None:
        return None
    seconds = whole_time(one.run.card, one.run.rows, settings)
    if seconds is not None:
        (folder / cell.name).mkdir(parents=True, exist_ok=True)
        write_json(folder / cell.name / TRIAL, {"seconds": seconds})
    return seconds


def whole_time(card: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> float | None:
    """Returns the seconds of a whole run by a short one, which was evaluated once; None if no speed was logged.

    The short run has its start, compiling and one evaluation in it. Each further step takes what its last ones took,
    and each further evaluation a third of that for an image.

    Args:
        card: of the short run.
        rows: of its metrics.
        settings: of the whole run.
    """
    speeds = [row["train/images_per_second"] for row in rows if row.get("train/images_per_second")]
    if not speeds:
        return None
    examples, batch = card["data"]["examples"], settings["batch_size"]
    per_epoch = examples["train"] / batch
    steps = settings["total_steps"] or math.ceil(settings["total_epochs"] * per_epoch)
    of_image = 1 / speeds[-1]
    every = float(parse_duration("eval_every", settings["eval_every"], Fraction(examples["train"], batch)))
    evaluations = max(steps / every - 1, 0)
    further = (steps - card["total_steps"]) * batch * of_image + evaluations * examples["val"] * of_image / _FORWARD
    return float(card["duration_seconds"]) + further

"""The trials of a sweep, as their folders have them: `trial000.json` has what was asked, `trial000/` the run.

The runs are the truth. Nothing else remembers what was tried, so a sweep that is killed goes on.
"""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxcnn.comparing.home import Home
from jaxcnn.comparing.jobs import Job, job_of
from jaxcnn.comparing.outcomes import FAILED, FINISHED, RUNNING, Outcome, outcome
from jaxcnn.json_file import read_json, write_json
from jaxcnn.locks import FileLock
from jaxcnn.sweeping.plan import Plan

PRUNED = "pruned"
_NAME = "trial{:03d}"
METRIC = "accuracy"
"""On validation: what trials are chosen by."""


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Trial:
    """A run of a sweep."""

    plan: Plan
    folder: Path
    """Of the sweep, on this machine."""
    address: str = ""
    """Of the sweep in a bucket; "" on a disk."""
    number: int
    texts: dict[str, str]
    """The values of the space by key, as a command line has them."""
    pruned: float | None = None
    """The share of its steps after which it was ended as hopeless; None if it was not."""
    rungs: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """What the pruner remembers of it."""

    @property
    def name(self) -> str:
        """Of its folder: "trial007"."""
        return _NAME.format(self.number)

    @functools.cached_property
    def job(self) -> Job:
        """What trains it."""
        return job_of(self.plan.cell(self.name, self.texts), self.plan.seed, self.folder, self.address)

    @functools.cached_property
    def outcome(self) -> Outcome:
        """What has become of its run, when this is first asked for."""
        return outcome(self.folder, self.job.cell, self.job.seed)

    @property
    def state(self) -> str:
        """One of `jaxcnn.comparing.outcomes.STATES`, or "pruned"."""
        state = self.outcome.state
        if state == FINISHED:
            return state
        return PRUNED if self.pruned is not None else state

    @property
    def settled(self) -> bool:
        """Whether nothing of it is left to do."""
        return self.state in (FINISHED, FAILED, PRUNED)

    @property
    def curve(self) -> dict[float, float]:
        """Share of the run's steps -> validation accuracy, by the rows of metrics.jsonl."""
        run = self.outcome.run
        rows = [row for row in run.rows if row.get(f"val/{METRIC}") is not None] if run else []
        return {row["step"] / self.outcome.steps[1]: float(row[f"val/{METRIC}"]) for row in rows}

    @property
    def score(self) -> float | None:
        """Validation accuracy of the last state, a share; None unless the run is finished."""
        value = self.outcome.last("val").get(f"val/{METRIC}") if self.state == FINISHED else None
        return None if value is None else float(value)

    def save(self) -> None:
        """Writes what was asked, and what the pruner has said."""
        write_json(_file(self.folder, self.number), {
            "texts": self.texts, "pruned": self.pruned, "rungs": dict(self.rungs)
        })  # fmt: skip

    def lock(self) -> FileLock:
        """Returns the lock of who trains it; raises `Held` if that is another process."""
        return FileLock(self.folder / f"{self.name}.lock")

    @property
    def busy_run(self) -> bool:
        """Whether a process has its run folder, as one that a worker left behind, or that somebody began by hand."""
        return self.outcome.state == RUNNING


def trials_of(plan: Plan, home: Home) -> list[Trial]:
    """Returns the trials of a sweep as they are now, by their numbers."""
    found: list[Trial] = []
    while (file := _file(home.here, len(found))).is_file():
        kept: dict[str, Any] = read_json(file)
        found.append(Trial(plan=plan, folder=home.here, address=home.address, number=len(found), **kept))
    return found


def best(trials: list[Trial]) -> list[Trial]:
    """Returns the finished trials, the best first; of two alike the earlier one."""
    return sorted((each for each in trials if each.score is not None), key=lambda each: -(each.score or 0.0))


def _file(folder: Path, number: int) -> Path:
    return folder / f"{_NAME.format(number)}.json"

"""Trains what is left of a grid, as far as the time goes, and says so before and after."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from jaxcnn.comparing.budget import estimated, planned, tried
from jaxcnn.comparing.grid import Grid
from jaxcnn.comparing.home import Home
from jaxcnn.comparing.jobs import Job, is_done, jobs_of, left
from jaxcnn.comparing.outcomes import FAILED, FINISHED, RUNNING, Outcome, outcome
from jaxcnn.comparing.stages import second_stage
from jaxcnn.comparing.worker import trained
from jaxcnn.errors import say
from jaxcnn.evaluation.waiting import Reached, waiting
from jaxcnn.table import counted
from jaxcnn.train.hooks.figures import time_span

_NAMED = 6
"""Most runs that are named in a line."""
_TAIL = 4096
"""Bytes at the end of metrics.jsonl in which its last line is looked for."""


class Session:
    """One start of a grid, in this process. Other processes may train other runs of it meanwhile."""

    def __init__(
        self, grid: Grid, home: Home, folder: Path | None = None, *, budget: float | None = None, retry: bool = False
    ) -> None:
        """Begins; further arguments as of `jaxcnn.compare`, the budget in seconds.

        Args:
            grid: that is trained.
            home: where it is kept.
            folder: of the grid on this machine, if it is a part of `home`.
            budget: in seconds.
            retry: whether runs that failed are tried again.
        """
        self._grid, self._home, self._retry = grid, home, retry
        self._folder = home.here if folder is None else folder
        self._end = None if budget is None else time.monotonic() + budget
        self._left_out: list[Job] = []

    def train(self, most_seeds: int) -> None:
        """Trains all runs that are left; `most_seeds` is the most of a cell that `until` may ask for.

        Raises:
            UserError: for a folder that has other runs.
            Stopped: if it was asked to stop.
        """
        jobs = self._jobs()
        todo = left(jobs, self._folder, retry=self._retry)
        done = sum(is_done(job, self._folder) for job in jobs)
        cells, seeds = len(self._grid.cells), len(self._grid.seeds)
        failed = len(jobs) - done - len(todo)
        told = [f"{done} finished"] * bool(done) + [f"{failed} failed earlier (--retry tries them again)"] * bool(
            failed
        )
        say(
            f"{counted(len(jobs), 'run')}, {counted(cells, 'cell')} x {counted(seeds, 'seed')}"
            + (f": {', '.join(told)}" if told else "")
        )
        self._all(todo)
        if self._grid.until is not None and not self._left_out:
            self._home.bring()  # what others have trained meanwhile
            wanted = second_stage(self._grid, self._folder, self._grid.until, most_seeds)
            more = left(self._jobs(wanted), self._folder, retry=self._retry)
            self._all(more)
        if self._left_out:
            say(f"left out, since the time is over: {_named(self._left_out)}; the same command goes on")

    def _jobs(self, wanted: Mapping[str, Sequence[int]] | None = None) -> list[Job]:
        """Returns all runs; the argument as of `jobs_of`."""
        return jobs_of(self._grid, self._folder, wanted, address=self._home.address_of(self._folder))

    def _all(self, jobs: Sequence[Job]) -> None:
        chosen = self._fitting(jobs) if jobs and self._end is not None else jobs
        if not chosen:
            return
        with waiting(chosen[0].name, len(chosen), alike=False) as reached:
            for number, job in enumerate(chosen):
                if not self._has_time(job):
                    self._left_out.append(job)
                    continue
                self._one(job, number, len(chosen), reached)

    def _one(self, job: Job, number: int, count: int, reached: Reached) -> None:
        def look(job: Job) -> None:
            self._home.follow(job.place)
            reached(number, f"{job.name}  {progress_of(job)}")

        with self._home.training(job.place):
            state = outcome(self._folder, job.cell, job.seed).state
            others = is_done(job, self._folder) or state == RUNNING  # by another process, meanwhile
            if not others:
                reached(number, job.name)
                state = trained(job, self._folder, look=look)
                others = state == RUNNING
        found = outcome(self._folder, job.cell, job.seed)
        by_others = f"{'finished' if state == FINISHED else 'being trained'} by another process"
        say(f"{number + 1} of {count}  {job.name}: {by_others if others else _told(found)}")

    def _fitting(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Returns the jobs that fit into the time that is left, and says which do."""
        assert self._end is not None
        known = estimated(jobs, self._grid, self._folder)
        unknown = {job.cell.name: job for job in jobs if job.name not in known}
        if unknown:
            say(f"how long a run takes is not known of {len(unknown)} cells: each trains a few steps first")
        for job in unknown.values():
            tried(job.cell, job.seed, self._folder)
        known = dict.fromkeys((job.name for job in jobs), 0.0) | estimated(jobs, self._grid, self._folder)
        self._home.send()
        plan = planned(jobs, known, self._end - time.monotonic())
        say(f"in the time that is left {len(plan.fits)} of {len(jobs)} runs fit, about {time_span(plan.seconds)}")
        if plan.left_out:
            say(f"these do not: {_named(plan.left_out)}")
        self._left_out += plan.left_out
        return plan.fits

    def _has_time(self, job: Job) -> bool:
        """Returns whether a job that was planned still fits, by what is known now."""
        if self._end is None:
            return True
        seconds = estimated([job], self._grid, self._folder).get(job.name, 0.0)
        return time.monotonic() + seconds <= self._end


def _named(jobs: Sequence[Job]) -> str:
    names = [job.name for job in jobs]
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def _told(one: Outcome) -> str:
    """Returns what has become of a run, in words."""
    if one.state == FINISHED and one.run:
        accuracy = one.last("test").get("test/accuracy")
        score = "" if accuracy is None else f"{accuracy:.2%} on test, "
        return f"{score}{time_span(one.run.card['duration_seconds'])}"
    return f"failed: {one.reason}" if one.state == FAILED else one.state


def progress_of(job: Job) -> str:
    """Returns how far a run is, by the last line of its metrics."""
    row = last_row(job.place)
    return "compiling" if not row else f"epoch {row.get('epoch', 0.0):.1f}"


def last_row(place: Path) -> Mapping[str, float]:
    """Returns the last whole line of a run's metrics; {} if there is none."""
    try:
        with (place / "metrics.jsonl").open("rb") as file:
            file.seek(0, 2)
            file.seek(max(file.tell() - _TAIL, 0))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return {}
    for line in reversed(lines):
        try:
            return dict(json.loads(line))
        except (ValueError, TypeError):
            continue
    return {}

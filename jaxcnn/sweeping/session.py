"""Trains the trials of a sweep one after the other, and ends those that are hopeless."""

import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from jaxcnn.comparing.home import Home
from jaxcnn.comparing.jobs import Job
from jaxcnn.comparing.outcomes import FAILED, FINISHED, forget_failure
from jaxcnn.comparing.session import progress_of
from jaxcnn.comparing.worker import trained
from jaxcnn.errors import UserError, say
from jaxcnn.evaluation.waiting import Reached, waiting
from jaxcnn.locks import FileLock, Held
from jaxcnn.sweeping.plan import Plan
from jaxcnn.sweeping.study import hopeless, proposed
from jaxcnn.sweeping.trials import METRIC, PRUNED, Trial, trials_of

_WAIT = 0.2
"""Seconds between two tries for the lock of a sweep, which is held for as long as a question to optuna takes."""


class _Hopeless(Exception):  # noqa: N818
    """The run that is trained is to be ended."""


class Session:
    """One worker of a sweep, in this process. Others may train further trials meanwhile."""

    def __init__(self, plan: Plan, home: Home, *, budget: float | None = None, retry: bool = False) -> None:
        """Begins.

        Args:
            plan: the sweep.
            home: where it is kept.
            budget: seconds after which no trial is begun, or gone on with; None for no end.
            retry: whether trials that failed are tried again.
        """
        self._plan, self._home = plan, home
        self._end = None if budget is None else time.monotonic() + budget
        self._again = {each.number for each in trials_of(plan, home) if each.state == FAILED} if retry else set()

    def train(self) -> None:
        """Trains trials until none is left to begin or to go on with; raises `Stopped` if it was asked to stop."""
        done = sum(each.settled for each in trials_of(self._plan, self._home))
        say(f"{self._plan.trials} trials" + (f": {done} done" if done else ""))
        with waiting("trials", self._plan.trials, alike=False) as reached:
            while self._end is None or time.monotonic() < self._end:
                with self._next() as trial:
                    if trial is None:
                        return
                    self._one(trial, reached)
        say("the time is over: the same command goes on")

    @property
    def left(self) -> float | None:
        """Seconds of the budget that are left; None if there is no end."""
        return None if self._end is None else max(self._end - time.monotonic(), 0.0)

    @contextmanager
    def _next(self) -> Iterator[Trial | None]:
        """Gives the next trial, locked: one that stopped, or a new one; None if there is none."""
        with _locked(self._home):
            trials = trials_of(self._plan, self._home)
            trial, lock = self._stopped(trials)
            if trial is None and len(trials) < self._plan.trials:
                texts = proposed(self._plan, trials)
                trial = Trial(
                    plan=self._plan,
                    folder=self._home.here,
                    address=self._home.address,
                    number=len(trials),
                    texts=texts,
                )
                lock = trial.lock()
                trial.save()
                self._home.send()
        if lock is None:
            yield None
            return
        try:
            yield trial
        finally:
            lock.remove()

    def _stopped(self, trials: list[Trial]) -> tuple[Trial | None, FileLock | None]:
        """Returns the first trial that is not over and that nobody trains, with its lock."""
        for each in trials:
            if each.settled and each.number not in self._again:
                continue
            try:
                lock = each.lock()
            except Held:
                continue
            if not each.busy_run:
                return each, lock
            lock.remove()
        return None, None

    def _one(self, trial: Trial, reached: Reached) -> None:
        self._again.discard(trial.number)
        asked = Asking(self._plan, self._home, trial)
        reached(trial.number, trial.name)

        def look(job: Job) -> None:
            self._home.follow(job.place)
            reached(trial.number, f"{trial.name}  {progress_of(job)}")
            if asked.is_hopeless():
                raise _Hopeless

        with self._home.training(trial.job.place), suppress(_Hopeless):
            forget_failure(trial.job.place)
            trained(trial.job, self._home.here, look=look)
        now = trials_of(self._plan, self._home)[trial.number]
        say(f"{trial.number + 1} of {self._plan.trials}  {_told(now)}")
        if now.state == FINISHED and now.score is None:
            raise UserError(f"{now.job.place} has no validation {METRIC}: set --config.data.validation=0.1 or so")


class Asking:
    """Asks whether a trial is hopeless, once for each validation, and keeps the answer beside its run."""

    def __init__(self, plan: Plan, home: Home, trial: Trial) -> None:
        """Begins; arguments as of `Session`, with the trial that is trained."""
        self._plan, self._home, self._trial = plan, home, trial
        self._size, self._seen = -1, len(trial.curve)

    def is_hopeless(self) -> bool:
        """Returns whether the trial is to be ended now."""
        if self._plan.pruner == "none" or not self._grown():
            return False
        with _locked(self._home):
            trials = trials_of(self._plan, self._home)
            trial = trials[self._trial.number]
            if len(trial.curve) == self._seen:
                return False
            self._seen = len(trial.curve)
            end, rungs = hopeless(self._plan, trials, trial.number)
            dataclasses.replace(trial, pruned=max(trial.curve) if end else None, rungs=rungs).save()
        return end

    def _grown(self) -> bool:
        """Returns whether the run has written further metrics."""
        path = self._trial.job.place / "metrics.jsonl"
        size, before = (path.stat().st_size if path.is_file() else 0), self._size
        self._size = size
        return size != before


@contextmanager
def _locked(home: Home) -> Iterator[None]:
    """Holds the lock of a sweep on this machine, once others have given it back."""
    while True:
        try:
            lock = FileLock(home.here / "sweep.lock")
            break
        except Held:
            time.sleep(_WAIT)
    with lock:
        yield


def _told(trial: Trial) -> str:
    """Returns what has become of a trial, in words."""
    values = ", ".join(f"{name} {text}" for name, text in trial.job.cell.values.items())
    if trial.score is not None:
        return f"{trial.score:.2%} validation {METRIC}: {values}"
    if trial.state == PRUNED:
        return f"ended after {trial.pruned:.0%} of its steps: {values}"
    return f"{trial.state}{f': {trial.outcome.reason}' if trial.outcome.reason else ''}: {values}"

"""Sweeps whose runs are made without training."""

from jaxcnn.comparing import session as grids
from jaxcnn.comparing.outcomes import forget_failure, note_failure, outcome
from jaxcnn.comparing.worker import Stopped
from jaxcnn.sweeping import session
from tests.comparing.grids import fake

SPACE = {"optimizer.learning_rate": {"low": 1e-4, "high": 1.0, "log": True}, "model.norm": ["none", "batch"]}
OPTIONS = {"base": "digits_lenet5", "space": SPACE, "override": {"total_steps": 4}}


class Runs:
    """What trains runs in these tests: their folders are as if they had been trained."""

    def __init__(self, score, *, stop=None, fail=(), look_at=()):
        """Begins.

        Args:
            score: (changes of the cell, seed) -> validation accuracy.
            stop: the number of the run, among those that are asked for, at which the sweep is to stop; None for none.
            fail: names of runs that fail.
            look_at: steps of a run at which it is looked at; empty: only once it is over.
        """
        self._score, self._stop, self._fail, self._look_at = score, stop, fail, look_at
        self.names = []

    def __call__(self, job, folder, look=None):
        self.names.append(job.name)
        forget_failure(job.place)
        if self._stop == len(self.names) - 1:
            raise Stopped
        if job.name in self._fail:
            note_failure(job.place, "the loss is not finite")
            return outcome(folder, job.cell, job.seed).state
        value = self._score(dict(job.cell.changes), job.seed)
        for step in self._look_at:
            fake(job, value - 0.01, val=value, step=step)
            look(job)
            for file in job.place.iterdir():
                file.unlink()
            job.place.rmdir()
        fake(job, value - 0.01, val=value)
        return outcome(folder, job.cell, job.seed).state

    def put(self, monkeypatch):
        """Has sweeps of a test train with this; returns it."""
        monkeypatch.setattr(session, "trained", self)
        monkeypatch.setattr(grids, "trained", self)
        return self


def by_rate(changes, seed):
    """A validation accuracy that is highest at a learning rate of 0.01, and with batch norm."""
    import math

    far = abs(math.log10(float(changes["optimizer.learning_rate"])) + 2)
    return round(0.9 - 0.1 * far + 0.02 * (changes["model.norm"] == "batch") + 0.001 * seed, 6)

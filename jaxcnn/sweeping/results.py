"""What a sweep has found: all trials, the best ones trained again, and the one that is named."""

import csv
import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxcnn.addresses import last_part
from jaxcnn.comparing.columns import mean_and_deviation, points
from jaxcnn.comparing.results import Results as Again
from jaxcnn.comparing.results import results_of
from jaxcnn.comparing.rows import Row
from jaxcnn.comparing.tables import as_dict as grid_as_dict
from jaxcnn.sweeping.best import lead, winner
from jaxcnn.sweeping.plan import Plan
from jaxcnn.sweeping.trials import METRIC, PRUNED, Trial, best
from jaxcnn.table import rows_text, wrapped

_SHOWN = 10
"""Trials that the terminal lists."""


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Found:
    """All that a sweep has found. `print(found)` shows it."""

    plan: Plan
    folder: Path
    """On this machine: itself, or the copy of one in a bucket."""
    trials: Sequence[Trial]
    """By their numbers."""
    again: Again | None
    """The table of the best ones, trained again with other seeds; None before that."""
    config: Path | None
    """The file of the config that is named; None before one is."""
    address: str = ""
    """Of the folder in a bucket; "" on a disk."""

    @property
    def name(self) -> str:
        """Of the folder: the last part."""
        return last_part(self.folder, self.address)

    @property
    def named(self) -> str:
        """Where the config is that is named: a path or an address; "" before one is."""
        if not self.config:
            return ""
        return f"{self.address}/{self.config.name}" if self.address else str(self.config)

    @property
    def winner(self) -> Row | None:
        """The trial that is named, by its new seeds; None before all of them are trained."""
        return winner(self.again) if self.again else None

    @property
    def complete(self) -> bool:
        """Whether all trials are over and one is named."""
        settled = sum(each.settled for each in self.trials)
        return settled >= self.plan.trials and self.winner is not None

    @property
    def ranked(self) -> list[Trial]:
        """All trials, the best first; then those without a score by their numbers."""
        scored = best(list(self.trials))
        return [*scored, *(each for each in self.trials if each not in scored)]

    def as_dict(self) -> dict[str, Any]:
        """Returns all of it for JSON."""
        return {
            "trials": [_plain(each) for each in self.trials],
            "again": self.again and grid_as_dict(self.again),
            "winner": self.winner and self.winner.cell,
            "config": self.named or None,
        }

    def csv(self) -> str:
        """Returns a row for each trial."""
        stream = io.StringIO()
        rows = [{**row, **row.pop("values")} for row in map(_plain, self.trials)]
        names = list(dict.fromkeys(name for row in rows for name in row)) or ["trial"]
        writer = csv.DictWriter(stream, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return stream.getvalue()

    def __str__(self) -> str:
        return "\n\n".join(filter(None, [self._table(), self._told(), self._end()]))

    def _table(self) -> str:
        names = list(self.plan.names.values())
        shown = self.ranked[:_SHOWN]
        rows = [[each.name, *each.job.cell.values.values(), said(each)] for each in shown]
        header = ["trial", *names, f"validation {METRIC}, %"]
        return rows_text(header, rows, right=[False, *(True for _ in names), True])

    def _told(self) -> str:
        states = [each.state for each in self.trials]
        counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
        more = f"; the best {_SHOWN} are shown" if len(self.trials) > _SHOWN else ""
        seeds = f"trials have seed {self.plan.seed}, and the {METRIC} of their last state, not of their best"
        return "\n".join(map(wrapped, [f"{len(self.trials)} of {self.plan.trials} trials: {counts}{more}", seeds]))

    def _end(self) -> str:
        if self.again is None:
            return ""
        scores = [[row.cell, str(row.n), _first(self.trials, row), mean_and_deviation(row)] for row in self.again.rows]
        header = ["trained again", "n", f"as a trial, seed {self.plan.seed}", f"validation {METRIC}, %"]
        table = rows_text(header, scores, right=[False, True, True, True])
        best_row = self.winner
        if best_row is None:
            return f"{table}\n" + wrapped("no trial is named: not all of these runs are finished")
        lines = [
            f"{best_row.cell} is the best by its {best_row.n} other seeds; its seed as a trial is not among them, "
            "since it was chosen by that"
        ]
        if told := _ahead(self.again, best_row):
            lines.append(told)
        if score := tested(self.again, best_row):
            lines.append(f"on the test split, which chose nothing, it has {score}")
        return "\n".join([table, *map(wrapped, lines)])


def said(trial: Trial) -> str:
    """Returns the score of a trial, or what has become of it."""
    if trial.score is not None:
        return f"{100 * trial.score:.2f}"
    if trial.state == PRUNED:
        return f"ended at {trial.pruned:.0%}"
    return trial.state


def tested(again: Again, row: Row) -> str:
    """Returns the test accuracy of a cell over its seeds, in words; "" where it is not known."""
    on_test = results_of(again.grid, again.folder).row(row.cell)
    return "" if on_test.mean is None else f"{mean_and_deviation(on_test)} %"


def _ahead(again: Again, best_row: Row) -> str:
    """Returns how far the best one is ahead of the next one, in words; "" where there is none, or one seed."""
    found = lead(again, best_row)
    if found is None or found[1].low is None:
        return ""
    chance = "no more than chance may do" if found[1].low <= 0 else "more than chance does in 19 of 20 cases"
    return f"it is {points(found[1])} points ahead of {found[0].cell}, which is {chance}"


def _first(trials: Sequence[Trial], row: Row) -> str:
    score = next(each.score for each in trials if each.name == row.cell)
    return "-" if score is None else f"{100 * score:.2f}"


def _plain(trial: Trial) -> dict[str, Any]:
    return {
        "trial": trial.name,
        "state": trial.state,
        "values": dict(trial.texts),
        METRIC: trial.score,
        "ended_at": trial.pruned if trial.state == PRUNED else None,
        "reason": trial.outcome.reason,
        "run": trial.job.address or str(trial.job.place),
    }

"""The best trials, trained again with other seeds; the one that is named; and its config as a file that runs."""

import dataclasses
from pathlib import Path
from pprint import pformat
from typing import Any

from jaxcnn.comparing.compare import tabled
from jaxcnn.comparing.grid import Grid
from jaxcnn.comparing.home import Home
from jaxcnn.comparing.jobs import settings_of
from jaxcnn.comparing.results import Results
from jaxcnn.comparing.rows import Row
from jaxcnn.comparing.session import Session
from jaxcnn.comparing.statistics import PairedDifference, paired_difference
from jaxcnn.config import base_config
from jaxcnn.config.keys import flat, is_free
from jaxcnn.json_file import replace_text
from jaxcnn.sweeping.plan import Plan
from jaxcnn.sweeping.trials import Trial, best, trials_of

FOLDER = "best"
"""In the folder of a sweep: the grid of the best trials."""
CONFIG = "best.py"
"""In the folder of a sweep: the config that is named."""
_LINE = 100


def grid_of_best(plan: Plan, home: Home) -> Grid | None:
    """Returns the grid of the best trials, with seeds that no trial had; None where no trial is finished."""
    chosen = best(trials_of(plan, home))[: plan.top]
    if not chosen:
        return None
    cells = tuple(dataclasses.replace(trial.job.cell, name=trial.name) for trial in chosen)
    seeds = tuple(range(plan.seed + 1, plan.seed + 1 + plan.seeds))
    return Grid(cells=cells, seeds=seeds, baseline=cells[0].name, command=plan.command)


def train_again(plan: Plan, home: Home, *, budget: float | None = None, retry: bool = False) -> Results | None:
    """Trains the best trials again, as a grid of `jaxcnn compare`; returns its table, by validation.

    Args:
        plan: the sweep.
        home: where it is kept.
        budget: in seconds; runs that do not fit are left out.
        retry: whether runs that failed are tried again.
    """
    grid = grid_of_best(plan, home)
    if grid is None:
        return None
    place = home.here / FOLDER
    place.mkdir(parents=True, exist_ok=True)
    grid.save(place)
    Session(grid, home, place, budget=budget, retry=retry).train(plan.seeds)
    return tabled(grid, home, place, split="val")


def winner(results: Results) -> Row | None:
    """Returns the best of those that were trained again, by the mean of their new seeds; None before all are."""
    if not results.complete:
        return None
    known = [row for row in results.rows if row.mean is not None]
    return max(known, key=lambda row: row.mean or 0.0, default=None)


def lead(results: Results, first: Row) -> tuple[Row, PairedDifference] | None:
    """Returns the second best of those that were trained again, and how far the best is ahead of it, by seeds."""
    others = [row for row in results.rows if row is not first and row.mean is not None]
    if not others:
        return None
    second = max(others, key=lambda row: row.mean or 0.0)
    seeds = sorted(first.scores.keys() & second.scores.keys())
    return second, paired_difference([second.scores[seed] for seed in seeds], [first.scores[seed] for seed in seeds])


def write_config(trial: Trial, row: Row, folder: Path) -> Path:
    """Writes the config of a trial as a Python file that `jaxcnn train` takes; returns its path."""
    settings = settings_of(trial.job.cell) | {"seed": trial.plan.seed}
    defaults = flat(base_config().to_dict())
    changed = {key: value for key, value in settings.items() if key not in defaults or defaults[key] != value}
    free = [f"    config.{key} = {_literal(value)}" for key, value in sorted(changed.items()) if is_free(key)]
    score = f"{100 * (row.mean or 0.0):.2f}" + ("" if row.std is None else f" ± {100 * row.std:.2f}")
    lines = [
        f'"""{trial.name} of {trial.plan.trials} trials: {score} % on validation, n = {row.n}."""',
        "",
        "import jaxcnn",
        "",
        "",
        "def get_config():",
        "    config = jaxcnn.base_config()",
        *(f"    config.{key} = {_literal(value)}" for key, value in sorted(changed.items()) if not is_free(key)),
        *(["    with config.unlocked():", *(f"    {line}" for line in free)] if free else []),
        "    return config",
    ]
    replace_text(folder / CONFIG, "\n".join(lines) + "\n")
    return folder / CONFIG


def _literal(value: Any) -> str:
    return pformat(value, width=_LINE, compact=True)

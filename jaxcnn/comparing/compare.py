"""Compares nets: trains a grid of runs, goes on with one, and makes its table."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.addresses import make_folder
from jaxcnn.comparing import files
from jaxcnn.comparing.asked import MOST_SEEDS, Asked, make_grid
from jaxcnn.comparing.budget import seconds_of
from jaxcnn.comparing.grid import Grid, load_grid
from jaxcnn.comparing.home import Home
from jaxcnn.comparing.jobs import jobs_of, left
from jaxcnn.comparing.results import Results, results_of
from jaxcnn.comparing.session import Session
from jaxcnn.comparing.stages import detectable
from jaxcnn.errors import check_word
from jaxcnn.ranges import Range, below, check_number, check_whole

SPLITS = ("test", "val")
MOST_ADDED = 20
"""Seeds of a cell that `until` may ask for, if nothing else is said."""


def compare(
    output: str | os.PathLike[str],
    *,
    base: str | None = None,
    recipe: str | None = None,
    data: str | None = None,
    models: Sequence[str] = (),
    norms: Sequence[str] = (),
    batch_sizes: Sequence[int] = (),
    epochs: float | None = None,
    seeds: int = 3,
    override: Mapping[str, Any] | None = None,
    baseline: str | None = None,
    target: float | None = None,
    until: float | None = None,
    most_seeds: int = MOST_ADDED,
    budget: str | None = None,
    retry: bool = False,
    split: str = "test",
) -> Results:
    """Trains every combination of what is named, with every seed, and returns their table.

    Each run is an ordinary run folder, `output/CELL/seed0` and so on, trained in a process of its own. Finished ones
    are skipped, stopped ones go on, and one that another process trains is left to it. A run that fails does not end
    the others. Tables and a page are written into `output`. Without anything to compare, nothing is trained: the table
    is made of what is there.

    Args:
        output: folder of the grid, on this machine or in a bucket.
        base: the config that all cells have in common: a file, or a name of `jaxcnn configs`.
        recipe: a name of a recipe, with `data`, in place of `base`.
        data: a data set.
        models: names of `jaxcnn models`, or paths `package.module:Net`; default: the config's.
        norms: as `config.model.norm` may be.
        batch_sizes: examples in a step. The learning rate stays what it is, unless `optimizer.reference_batch_size` is
            set.
        epochs: of each run; default: the config's.
        seeds: number of runs of each cell: the config's seed and those after it.
        override: further settings by their full names; a list is several values, each with every other.
        baseline: name of the cell that others are compared with; default: the first one.
        target: a validation accuracy between 0 and 1 whose time is told.
        until: half the width that the interval of each difference is to have, a share: seeds are added until it has.
        most_seeds: of a cell that `until` may ask for.
        budget: time for this start, as "30min"; runs that do not fit are left out.
        retry: whether runs that failed are tried again.
        split: that scores are of: "test" or "val".

    Raises:
        UserError: for a word, a number or a folder that is wrong, before anything is trained.
    """
    asked = Asked(
        base=base,
        recipe=recipe,
        data=data,
        models=tuple(models),
        norms=tuple(norms),
        batch_sizes=tuple(batch_sizes),
        epochs=epochs,
        seeds=seeds,
        override=[(key, _texts(value)) for key, value in (override or {}).items()],
    )
    check_word("split", split, SPLITS)
    home, grid = opened(output, asked, baseline=baseline, target=target, until=until)
    if not asked.empty:
        train(grid, home, budget=budget, retry=retry, most_seeds=most_seeds)
    return tabled(grid, home, split=split)


def opened(
    output: str | os.PathLike[str],
    asked: Asked,
    *,
    baseline: str | None = None,
    target: float | None = None,
    until: float | None = None,
    command: str = "",
) -> tuple[Home, Grid]:
    """Returns the folder of a grid, which is made, and the grid in it: the one that is asked for, else what it has.

    Args:
        output: folder of the grid.
        asked: what is to be compared.
        baseline: as of `compare`, as the next two.
        target: likewise.
        until: likewise.
        command: the command line that asks.

    Raises:
        UserError: as of `compare`.
    """
    for name, share in {"target": target, "until": until}.items():
        if share is not None:
            check_number(name, share, Range(0, 1, without_low=True, without_high=True))
    home = Home("output", output)
    if not asked.empty:
        grid = make_grid(asked, baseline=baseline, target=target, until=until, command=command)
        home.bring()
    else:
        home.bring()
        with home.named():
            had = load_grid(home.here)
        grid = dataclasses.replace(had, baseline=baseline or had.baseline, target=target or had.target)
        grid.cell(grid.baseline)
    make_folder(home.here)
    grid.save(home.here)
    home.send()
    return home, grid


def train(
    grid: Grid, home: Home, *, budget: str | None = None, retry: bool = False, most_seeds: int = MOST_ADDED
) -> None:
    """Trains what is left of a grid; arguments as of `compare`. Raises `Stopped` after SIGTERM or SIGINT."""
    check_whole("most_seeds", most_seeds, Range(len(grid.seeds), MOST_SEEDS))
    seconds = None if budget is None else seconds_of(budget)
    with home.named():
        Session(grid, home, budget=seconds, retry=retry).train(most_seeds)


def tabled(grid: Grid, home: Home, folder: Path | None = None, *, split: str = "test") -> Results:
    """Returns the table of a grid, and writes it into its folder in all forms; arguments as of `Session`."""
    home.bring()  # other processes may have trained runs of it
    place = folder or home.here
    with home.named():
        results = results_of(grid, place, split=split, address=home.address_of(place))
        files.write(results)
    home.send()
    return results


def commands(grid: Grid, home: Home, *, retry: bool = False) -> list[str]:
    """Returns the command line of each run that is left, for a scheduler."""
    with home.named():
        jobs = jobs_of(grid, home.here, address=home.address)
        return [job.line for job in left(jobs, home.here, retry=retry)]


def detect(grid: Grid, folder: Path, difference: float, deviation: float | None = None) -> list[str]:
    """Returns how many seeds it takes to find a difference, a share, as `jaxcnn.comparing.stages.detectable`."""
    for name, share in {"detect": difference, "deviation": deviation}.items():
        if share is not None:
            check_number(name, share, below(1))
    return detectable(grid, folder, difference, deviation)


def _texts(value: Any) -> list[str]:
    """Returns the values of a key as a command line has them."""
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]

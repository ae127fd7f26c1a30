"""Searches settings: trains trials, goes on with them, trains the best again, and names one."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

from jaxcnn.addresses import make_folder
from jaxcnn.comparing.budget import seconds_of
from jaxcnn.comparing.grid import FILE as GRID
from jaxcnn.comparing.grid import load_grid
from jaxcnn.comparing.home import Home
from jaxcnn.comparing.jobs import settings_of
from jaxcnn.comparing.results import results_of
from jaxcnn.config.keys import find_key
from jaxcnn.errors import UserError, check_word, say
from jaxcnn.ranges import Range, check_whole
from jaxcnn.sweeping import files
from jaxcnn.sweeping.best import FOLDER, train_again, winner, write_config
from jaxcnn.sweeping.plan import FILE, PRUNERS, SAMPLERS, Plan, load_plan
from jaxcnn.sweeping.results import Found
from jaxcnn.sweeping.session import Session
from jaxcnn.sweeping.space import make_space, read_space
from jaxcnn.sweeping.study import check_package
from jaxcnn.sweeping.trials import trials_of

MOST = 10_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """How a sweep is to search; the fields are as the arguments of `sweep`."""

    trials: int = 20
    sampler: str = "tpe"
    pruner: str = "none"
    top: int = 3
    seeds: int = 3
    seed: int | None = None


def sweep(
    output: str | os.PathLike[str],
    *,
    base: str | None = None,
    space: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    override: Mapping[str, Any] | None = None,
    budget: str | None = None,
    retry: bool = False,
    **asked: Any,
) -> Found:
    """Searches the space of some settings for the best validation accuracy, and returns what was found.

    Each trial is an ordinary run, `output/trial000/seed0` and so on, trained in a process of its own. The runs are the
    truth: a sweep that is stopped or killed goes on, and several processes may work on one. Then the best trials are
    trained again with other seeds, and the best by these is named: the best of many trials of one seed is partly luck.
    Its config is written as `output/best.py`. Without a config, nothing is trained: the results are of what is there.

    Args:
        output: folder of the sweep, on this machine or in a bucket.
        base: the config: a file, or a name or recipe of `jaxcnn configs`.
        space: a TOML file, or a dictionary: by the names of settings a list of values, or `{"low": ..., "high": ...}`,
            with `"log": True` for a logarithmic scale.
        override: further settings by their full names, the same for all trials.
        budget: time for this start, as "30min": no trial is begun after it.
        retry: whether trials that failed are tried again.
        **asked: any of the following.
        trials: number of trials, those that are there already among them; default: 20.
        sampler: "tpe" (Bergstra et al., 2011; its first ten trials are random) or "random" (Bergstra and Bengio, 2012).
        pruner: "none", or "hyperband" (Li et al., 2018), which ends two of three runs after a ninth or a third.
        top: number of the best trials that are trained again; default: 3.
        seeds: runs of each of them; default: 3.
        seed: of the trials and of the sampler; default: the config's.

    Raises:
        UserError: for a word, a number or a folder that is wrong, before anything is trained.
        Stopped: after SIGTERM or SIGINT, once the run has saved its state.
    """
    changes = [(key, str(value)) for key, value in (override or {}).items()]
    home, plan = opened(output, base=base, space=space, changes=changes, asked=Asked(**asked))
    if base is not None:
        train(plan, home, budget=budget, retry=retry)
    return found_in(plan, home)


def opened(
    output: str | os.PathLike[str],
    *,
    base: str | None,
    space: str | os.PathLike[str] | Mapping[str, Any] | None,
    changes: Sequence[tuple[str, str]],
    asked: Asked,
    command: str = "",
) -> tuple[Home, Plan]:
    """Returns the folder of a sweep, which is made, and the plan in it: what is asked for, else what it has.

    Args:
        output: as of `sweep`, as the next two.
        base: likewise.
        space: likewise.
        changes: keys that all trials change, with their values as text.
        asked: how to search.
        command: the command line that asks.

    Raises:
        UserError: as of `sweep`.
    """
    home = Home("output", output)
    if base is None and space is not None:
        raise UserError("which config is searched? Name one before --space")
    home.bring()
    with home.named():
        if base is None:
            return home, load_plan(home.here)
        if space is None:
            if not (home.here / FILE).is_file():
                raise UserError("which settings are searched? Name --space FILE")
            dimensions = load_plan(home.here).space
        else:
            dimensions = make_space(space) if isinstance(space, Mapping) else read_space(space)
        plan = _planned(base, dimensions, [(find_key(key)[0], text) for key, text in changes], asked, command)
        make_folder(home.here)
        plan.save(home.here)
    home.send()
    return home, plan


def _planned(
    base: str, dimensions: Sequence[Any], changes: Sequence[tuple[str, str]], asked: Asked, command: str
) -> Plan:
    check_word("sampler", asked.sampler, SAMPLERS)
    check_word("pruner", asked.pruner, PRUNERS)
    for name in ("trials", "top", "seeds"):
        check_whole(name, getattr(asked, name), Range(1, MOST))
    plan = Plan(
        base=base,
        changes=tuple(changes),
        space=tuple(dimensions),
        sampler=asked.sampler,
        pruner=asked.pruner,
        trials=asked.trials,
        top=asked.top,
        seeds=asked.seeds,
        seed=0 if asked.seed is None else asked.seed,
        command=command,
    )
    twice = {each.key for each in plan.space} & {key for key, _ in changes}
    if twice:
        raise UserError(f"{twice.pop()} is searched, and set for all trials: leave one of the two out")
    settings = settings_of(plan.cell("trial", {}))
    if settings["num_seeds"] > 1:
        raise UserError(f"num_seeds is {settings['num_seeds']}: a trial has one seed, and the best have --seeds")
    return plan if asked.seed is not None else dataclasses.replace(plan, seed=settings["seed"])


def train(plan: Plan, home: Home, *, budget: str | None = None, retry: bool = False) -> None:
    """Trains what is left of a sweep; arguments and errors as of `sweep`."""
    check_package()
    seconds = None if budget is None else seconds_of(budget)
    with home.alone(), home.named():
        _train(plan, home, budget=seconds, retry=retry)


def _train(plan: Plan, home: Home, *, budget: float | None, retry: bool) -> None:
    session = Session(plan, home, budget=budget, retry=retry)
    session.train()
    trials = trials_of(plan, home)
    open_ones = [each.name for each in trials if not each.settled]
    if open_ones or len(trials) < plan.trials:
        if open_ones:
            say(f"other processes train {', '.join(open_ones)}: whoever ends last trains the best again")
        return
    if train_again(plan, home, budget=session.left, retry=retry) is None:
        reasons = (each.outcome.reason for each in trials if each.outcome.reason)
        raise UserError(f"no trial is finished: {next(reasons, 'all were ended early')}")


def found_in(plan: Plan, home: Home) -> Found:
    """Returns what there is of a sweep now, and writes its tables, its page, and the config that is named."""
    home.bring()  # another process may work on it
    with home.named():
        place = home.here / FOLDER
        again = None
        if (place / GRID).is_file():
            again = results_of(load_grid(place), place, split="val", address=home.address_of(place))
        trials, row, config = trials_of(plan, home), winner(again) if again else None, None
        if row:
            named = next(each for each in trials if each.name == row.cell)
            config = write_config(named, row, home.here)
        found = Found(plan=plan, folder=home.here, address=home.address, trials=trials, again=again, config=config)
        files.write(found)
    home.send()
    return found

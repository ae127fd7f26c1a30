"""What optuna is asked: which values to try next, and whether a run is hopeless.

Each question is put to a study that is made of the trials as they are then, and forgotten afterwards. So any number of
processes may ask, and none has to have been there before.
"""

import contextlib
import importlib.util
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from jaxcnn.comparing.outcomes import FAILED
from jaxcnn.errors import UserError
from jaxcnn.sweeping.plan import Plan
from jaxcnn.sweeping.space import Dimension, Interval
from jaxcnn.sweeping.trials import Trial

_STUDY = "jaxcnn"
"""Hyperband shares out trials by the name of the study, so it is always the same."""
_WHOLE = 100
"""Resources of a whole run: per cent of its steps."""
_FIRST = 11
"""Resources after which Hyperband first compares: a ninth of a run. It compares again after a third."""
_FACTOR = 3
"""Of the runs that are compared, one in so many goes on."""
_RUNG = "completed_rung_"
"""How the attributes begin in which the pruner keeps what a trial had when it was compared."""


def check_package() -> None:
    """Raises `UserError` if optuna is missing."""
    if importlib.util.find_spec("optuna") is None:
        raise UserError("a sweep needs optuna: pip install 'jaxcnn[sweep]'")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hides that optuna makes a study. Its level is then again what it was."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(before, optuna.logging.WARNING))
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


@_quiet()
def proposed(plan: Plan, trials: Sequence[Trial]) -> dict[str, str]:
    """Returns the values to try next, texts by key: a function of the plan, the trials, and how many there are.

    Args:
        plan: the sweep.
        trials: all that were begun. Those that are running count as bad to the sampler, so that several workers do not
            try the same.
    """
    study = _study(plan, trials)
    asked = study.ask({each.key: _distribution(each) for each in plan.space})
    return {each.key: each.text(asked.params[each.key]) for each in plan.space}


@_quiet()
def hopeless(plan: Plan, trials: Sequence[Trial], number: int) -> tuple[bool, dict[str, float]]:
    """Returns whether a trial is to be ended, by its validations so far, and what the pruner remembers of it.

    Args:
        plan: the sweep.
        trials: all that were begun.
        number: of the trial.
    """
    own = trials[number]
    if not own.curve or max(own.curve) >= 1:
        return False, dict(own.rungs)
    study = _study(plan, trials, number)
    end = study.pruner.prune(study, study.get_trials()[number])
    kept = study.get_trials()[number].system_attrs
    return end, {key: value for key, value in kept.items() if key.startswith(_RUNG)}


def _resource(share: float) -> int:
    return int(share * _WHOLE + 1e-9)


def _study(plan: Plan, trials: Sequence[Trial], asking: int | None = None) -> Any:
    """Returns a study in memory with all trials; `asking` is the number of that of which is asked, if one is."""
    import optuna

    seed = int(np.random.SeedSequence((plan.seed, len(trials))).generate_state(1)[0])
    if plan.sampler == "random":
        sampler: Any = optuna.samplers.RandomSampler(seed=seed)
    else:
        sampler = optuna.samplers.TPESampler(seed=seed)
    pruner: Any = optuna.pruners.NopPruner()
    if plan.pruner == "hyperband":
        pruner = optuna.pruners.HyperbandPruner(min_resource=_FIRST, max_resource=_WHOLE, reduction_factor=_FACTOR)
    study = optuna.create_study(study_name=_STUDY, direction="maximize", sampler=sampler, pruner=pruner)
    for each in trials:
        study.add_trial(_frozen(each, asking=each.number == asking))
    return study


def _frozen(trial: Trial, *, asking: bool) -> Any:
    """Returns a trial as optuna has it.

    A run that failed counts as one that was ended: to the sampler it is bad, where a failure of optuna's would be
    passed over, and the values that made it be tried again. So does one that is not over yet.

    Args:
        trial: to be told.
        asking: whether it is the one of which is asked if it is hopeless.
    """
    import optuna

    states, score = optuna.trial.TrialState, trial.score
    curve = {_resource(share): accuracy for share, accuracy in trial.curve.items()}
    return optuna.trial.create_trial(
        state=states.RUNNING if asking else states.PRUNED if score is None else states.COMPLETE,
        value=score,
        params={each.key: each.value(trial.texts[each.key]) for each in trial.plan.space},
        distributions={each.key: _distribution(each) for each in trial.plan.space},
        intermediate_values={} if trial.state == FAILED else curve,
        system_attrs=dict(trial.rungs),
    )


def _distribution(dimension: Dimension) -> Any:
    from optuna import distributions

    if not isinstance(dimension, Interval):
        return distributions.CategoricalDistribution(dimension.texts)
    if dimension.whole:
        return distributions.IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return distributions.FloatDistribution(dimension.low, dimension.high, log=dimension.log)

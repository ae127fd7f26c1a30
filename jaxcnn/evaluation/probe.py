"""A linear classifier on the features of a trained net."""

import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from jaxcnn.errors import UserError
from jaxcnn.evaluation.features import LAYER, Features, features
from jaxcnn.evaluation.scores import interval
from jaxcnn.evaluation.waiting import waiting

PENALTIES = tuple(10.0**power for power in range(-3, 4))
"""Strengths of the L2 penalty that are tried: of the sum of losses plus penalty / 2 * ||w||^2."""
_ITERATIONS = 500


def probe(
    run: str | os.PathLike[str],
    data: str | None = None,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    layer: str = LAYER,
    penalties: Sequence[float] = PENALTIES,
    shots: int | None = None,
    seed: int = 0,
    step: int | str = "latest",
    model: Any | None = None,
) -> dict[str, Any]:
    """Returns the accuracy of a linear classifier on the features of a net: a linear probe (Alain and Bengio, 2016).

    The features of all images are computed once. For each penalty, multinomial logistic regression is fitted on the
    training split, with features that have mean 0 and standard deviation 1 there. The penalty with the best validation
    accuracy, of equal ones the largest, is then evaluated once on the test split.

    Args:
        run: as of `features`.
        data: likewise.
        data_dir: likewise.
        layer: likewise.
        penalties: strengths of the L2 penalty.
        shots: number of training examples of each class, drawn at random; None for all.
        seed: of that draw.
        step: as of `features`.
        model: likewise.

    Returns:
        `layer`, `features` (their number), `net_seed` (of a run of several seeds, that of the net), `examples` by
        split, `shots`, `penalties` (each with its `penalty` and `val` accuracy), the chosen `penalty`, and `val`,
        `test` and `test_interval`, fractions.

    Raises:
        UserError: as `features`, and for a class with fewer examples than `shots`.
    """
    found = features(run, data, data_dir=data_dir, layer=layer, step=step, model=model)
    return fit_probe(found, penalties=penalties, shots=shots, seed=seed)


def fit_probe(
    found: Features, *, penalties: Sequence[float] = PENALTIES, shots: int | None = None, seed: int = 0
) -> dict[str, Any]:
    """Returns what `probe` returns, of features that were computed before.

    Args:
        found: the features of all splits, as `features` returns them.
        penalties: strengths of the L2 penalty.
        shots: number of training examples of each class, drawn at random; None for all.
        seed: of that draw.

    Raises:
        UserError: for a class with fewer examples than `shots`.
    """
    chosen = _drawn(found, shots, seed)
    label = found.label["train"][chosen]
    scaler = StandardScaler().fit(found.features["train"][chosen])
    scaled = {split: scaler.transform(each) for split, each in found.features.items()}
    fitted = []
    with waiting("penalties", len(penalties), alike=False) as reached:
        for penalty in penalties:
            fitted.append((penalty, _fit(scaled["train"][chosen], label, penalty)))
            reached(len(fitted))
    tried = [(_accuracy(net, scaled["val"], found.label["val"]), penalty, net) for penalty, net in fitted]
    val, penalty, best = max(tried, key=lambda each: each[:2])
    hits = int(np.sum(best.predict(scaled["test"]) == found.label["test"]))
    return {
        "layer": found.layer,
        "features": found.features["train"].shape[1],
        "net_seed": found.net_seed,
        "examples": {"train": len(label), "val": len(found.label["val"]), "test": len(found.label["test"])},
        "shots": shots,
        "penalties": [{"penalty": each, "val": accuracy} for accuracy, each, _ in tried],
        "penalty": penalty,
        "val": val,
        "test": hits / len(found.label["test"]),
        "test_interval": list(interval(hits, len(found.label["test"]))),
    }


def _fit(inputs: np.ndarray, label: np.ndarray, penalty: float) -> LogisticRegression:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # without a penalty that matters there is no optimum
        return LogisticRegression(C=1 / penalty, max_iter=_ITERATIONS).fit(inputs, label)


def _accuracy(net: LogisticRegression, inputs: np.ndarray, label: np.ndarray) -> float:
    return float(np.mean(net.predict(inputs) == label))


def _drawn(found: Features, shots: int | None, seed: int) -> np.ndarray:
    """Returns the places of the training examples that are used, sorted."""
    label = found.label["train"]
    if shots is None:
        return np.arange(len(label))
    if shots < 1:
        raise UserError(f"shots is {shots}: it must be at least 1")
    random, places = np.random.default_rng(seed), []
    for number in np.unique(label):
        own = np.flatnonzero(label == number)
        if len(own) < shots:
            raise UserError(f"shots is {shots}: class {found.class_names[number]} has {len(own)} training examples")
        places.append(random.choice(own, shots, replace=False))
    return np.sort(np.concatenate(places))

"""How good predictions are: scores of logits and labels, computed in float64. Imports no JAX.

Logits are (examples, classes), of any float dtype; labels are (examples,) int. A row of logits that is not finite has
no prediction: it counts as wrong, and is counted as `nonfinite`.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import special, stats

BINS = 15
"""Bins of confidence, as in Guo et al. (arXiv:1706.04599)."""
LAST = 2**62
"""The rank of the true class of logits that are not finite."""
NO_CLASS = -1
"""The predicted class of logits that are not finite."""


def log_probabilities(logits: np.ndarray) -> np.ndarray:
    """Returns log softmax, (examples, classes) float64."""
    return special.log_softmax(np.asarray(logits, np.float64), axis=-1)


def ensemble(logits: np.ndarray) -> np.ndarray:
    """Returns the logarithm of the members' mean probability, (examples, classes) float64. They are logits too.

    Args:
        logits: (members, examples, classes).
    """
    return special.logsumexp(log_probabilities(logits), axis=0) - np.log(len(logits))


def predicted(logits: np.ndarray) -> np.ndarray:
    """Returns the class with the largest logit, (examples,) int64, the first of equal ones; else `NO_CLASS`."""
    finite = np.isfinite(logits).all(axis=-1)
    return np.where(finite, np.argmax(logits, axis=-1), NO_CLASS)


def ranks(logits: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Returns how many classes come before the true one, (examples,) int64; `LAST` if a logit is not finite.

    A class comes before another if its logit is larger, or if it is equal and its index is lower.
    """
    own = np.take_along_axis(logits, label[:, None], axis=-1)
    lower = np.arange(logits.shape[-1]) < label[:, None]
    before = np.sum((logits > own) | ((logits == own) & lower), axis=-1)
    return np.where(np.isfinite(logits).all(axis=-1), before, LAST)


def interval(hits: int, examples: int, confidence: float = 0.95) -> tuple[float, float]:
    """Returns the binomial interval of a share `hits / examples` (Wilson, 1927)."""
    found = stats.binomtest(hits, examples).proportion_ci(confidence, method="wilson")
    return float(found.low), float(found.high)


def nll(logits: np.ndarray, label: np.ndarray) -> float:
    """Returns the mean negative log-likelihood of the true class, in nats."""
    return float(-np.mean(np.take_along_axis(log_probabilities(logits), label[:, None], axis=-1)))


def brier(logits: np.ndarray, label: np.ndarray) -> float:
    """Returns the mean squared distance of the probabilities to the truth, summed over classes, 0 to 2 (Brier)."""
    error = np.exp(log_probabilities(logits))
    error[np.arange(len(label)), label] -= 1
    return float(np.mean(np.sum(error**2, axis=-1)))


@dataclasses.dataclass(frozen=True)
class Bin:
    """Examples of similar confidence."""

    low: float
    """Lower end of the confidence; it belongs to the bin if it is the first one."""
    high: float
    """Upper end; it belongs to the bin."""
    examples: int
    confidence: float
    """Mean probability of the predicted class; NaN for no examples."""
    accuracy: float
    """Share of right predictions; NaN for no examples."""


def reliability(logits: np.ndarray, label: np.ndarray, *, bins: int = BINS, equal: str = "width") -> list[Bin]:
    """Returns the bins of a reliability diagram, by rising confidence. Rows that are not finite are in none.

    Args:
        logits: (examples, classes).
        label: (examples,) int.
        bins: their number.
        equal: "width", bins (0, 1/bins], (1/bins, 2/bins] and so on; or "mass", bins with equally many examples.
    """
    finite = np.isfinite(logits).all(axis=-1)
    confidence = np.exp(np.max(log_probabilities(logits[finite]), axis=-1))
    right = predicted(logits[finite]) == label[finite]
    if equal == "width":
        ends = np.linspace(0, 1, bins + 1)
        place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
        members = [np.flatnonzero(place == number) for number in range(bins)]
    else:
        members = np.array_split(np.argsort(confidence, kind="stable"), bins)
        tops = [float(confidence[member[-1]]) if len(member) else 1.0 for member in members]
        ends = np.array([0.0, *tops])
    return [
        Bin(float(low), float(high), len(member), _mean(confidence[member]), _mean(right[member]))
        for low, high, member in zip(ends, ends[1:], members, strict=False)
    ]


def calibration_error(bins: Sequence[Bin]) -> float:
    """Returns the expected calibration error: the mean over examples of |accuracy - confidence| of their bin."""
    total = sum(each.examples for each in bins)
    return sum(each.examples * abs(each.accuracy - each.confidence) for each in bins if each.examples) / max(total, 1)


def confusion(logits: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Returns counts, (classes, classes) int64: the rows are the truth, the columns the predictions."""
    classes = logits.shape[-1]
    found = predicted(logits)
    pairs = label[found != NO_CLASS] * classes + found[found != NO_CLASS]
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def mistakes(logits: np.ndarray, label: np.ndarray, most: int) -> np.ndarray:
    """Returns the positions of at most `most` wrong predictions, the most confident first."""
    wrong = np.flatnonzero((predicted(logits) != label) & np.isfinite(logits).all(axis=-1))
    confidence = np.max(log_probabilities(logits[wrong]), axis=-1)
    return wrong[np.argsort(-confidence, kind="stable")][:most]


def score(logits: np.ndarray, label: np.ndarray, class_names: Sequence[str]) -> dict[str, Any]:
    """Returns all scores, ready for JSON.

    Keys:
        examples: their number.
        accuracy, accuracy_interval: the share of right predictions, and its 95 % interval.
        top5: the share whose true class is among the first five.
        nll: as `nll`; null, as `brier` and `ece`, if a logit is not finite.
        brier: as `brier`.
        ece: the calibration error over 15 bins of equal width, the last one closed; `ece_equal_mass` likewise.
        reliability: the bins of `ece`.
        per_class: for each class its `class`, `n`, `precision` and `recall`; null without predictions or examples.
        mean_recall: over the classes that have examples.
        confusion: counts; the rows are the truth.
        nonfinite: the number of rows that are not finite.

    Args:
        logits: (examples, classes).
        label: (examples,) int.
        class_names: by label.
    """
    first = ranks(logits, label)
    hits, examples = int(np.sum(first == 0)), len(label)
    broken = int(np.sum(~np.isfinite(logits).all(axis=-1)))
    width, mass = (reliability(logits, label, equal=equal) for equal in ("width", "mass"))
    counts = confusion(logits, label)
    classes = per_class(counts, label, class_names)
    whole = not broken
    return {
        "examples": examples,
        "accuracy": hits / examples,
        "accuracy_interval": list(interval(hits, examples)),
        "top5": float(np.mean(first < 5)),
        "nll": nll(logits, label) if whole else None,
        "brier": brier(logits, label) if whole else None,
        "ece": calibration_error(width) if whole else None,
        "ece_equal_mass": calibration_error(mass) if whole else None,
        "reliability": [_without_nan(dataclasses.asdict(each)) for each in width],
        "per_class": classes,
        "mean_recall": float(np.mean([each["recall"] for each in classes if each["n"]])),
        "confusion": counts.tolist(),
        "nonfinite": broken,
    }


def per_class(counts: np.ndarray, label: np.ndarray, class_names: Sequence[str]) -> list[dict[str, Any]]:
    """Returns `class`, `n`, `precision` and `recall` of each class; a share of nothing is None.

    Args:
        counts: as `confusion` returns them.
        label: (examples,) int.
        class_names: by label.
    """
    examples = np.bincount(label, minlength=len(counts))
    rows = zip(class_names, examples.tolist(), np.diag(counts).tolist(), counts.sum(axis=0).tolist(), strict=True)
    return [
        {"class": name, "n": n, "precision": hits / guesses if guesses else None, "recall": hits / n if n else None}
        for name, n, hits, guesses in rows
    ]


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def _without_nan(row: dict[str, Any]) -> dict[str, Any]:
    return {name: None if value != value else value for name, value in row.items()}

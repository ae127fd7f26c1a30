"""Scores in words, for a terminal and for a page. Imports no JAX."""

from collections.abc import Mapping, Sequence
from typing import Any

MOST_CLASSES = 30
"""Most classes whose confusion matrix is shown; of more, the pairs that are confused most."""


def measures(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns names and values of what `jaxcnn.evaluation.evaluate.evaluate` or `scores_of` has found."""
    low, high = found["accuracy_interval"]
    rows = [
        ("accuracy", f"{found['accuracy']:.2%}  (95 % interval {low:.2%} to {high:.2%})"),
        ("top 5", f"{found['top5']:.2%}"),
        ("negative log-likelihood", _number(found["nll"], "nats")),
        ("Brier score", _number(found["brier"])),
        ("calibration error", f"{share(found['ece'])}  ({share(found['ece_equal_mass'])} over bins of equal mass)"),
    ]
    if found["nonfinite"]:
        rows.append(("not finite", f"the logits of {found['nonfinite']:,} examples, which count as wrong"))
    if members := found.get("members"):
        rows += _of_members(members)
    if scaled := found.get("temperature"):
        rows += _of_temperature(scaled)
    return rows


def confused(counts: Sequence[Sequence[int]], names: Sequence[str], most: int) -> list[tuple[str, str, int]]:
    """Returns the pairs of classes that are confused most: the true class, the predicted one, and the examples."""
    pairs = [
        (count, names[true], names[guess])
        for true, row in enumerate(counts)
        for guess, count in enumerate(row)
        if count and true != guess
    ]
    return [(true, guess, count) for count, true, guess in sorted(pairs, reverse=True)[:most]]


def share(value: float | None) -> str:
    """Returns a share in per cent; "-" for the share of nothing."""
    return "-" if value is None else f"{value:.2%}"


def _of_members(members: Mapping[str, Any]) -> list[tuple[str, str]]:
    accuracy, ece = members["accuracy"], members.get("ece")
    count = len(members["seeds"])
    error = f", calibration error {share(ece['mean'])}" if ece else ""
    return [
        (
            "one net alone",
            f"accuracy {accuracy['mean']:.2%} ± {accuracy['std']:.2%} (n = {count}, sample deviation){error}; above is "
            "their ensemble",
        ),
        ("disagreement", f"the {count} nets do not agree on {members['disagreement']:.2%}"),
    ]


def _of_temperature(scaled: Mapping[str, Any]) -> list[tuple[str, str]]:
    before, after = scaled["before"], scaled["after"]
    told = "; ".join(
        f"{name} {_number(before[key])} -> {_number(after[key])}"
        for key, name in (("nll", "negative log-likelihood"), ("brier", "Brier"), ("ece", "calibration error"))
    )
    return [("temperature", f"{scaled['value']:.4f}, fitted on {scaled['fitted_on']}: {told}")]


def _number(value: float | None, unit: str = "") -> str:
    return "-" if value is None else f"{value:.4f} {unit}".rstrip()

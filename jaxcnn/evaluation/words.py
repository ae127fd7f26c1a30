"""Scores in words, for a terminal and for a page. Imports no JAX."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

MOST_CLASSES = 30
"""Most classes whose confusion matrix is shown; of more, the pairs that are confused most."""
_TOP = 5
"""Of so many classes and of fewer, every one is among the first five, which is not worth a line."""


def measures(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns names and values of what `jaxcnn.evaluation.evaluate.evaluate` or `scores_of` has found."""
    low, high = found["accuracy_interval"]
    rows = [
        ("accuracy", f"{found['accuracy']:.2%}  (95 % interval {low:.2%} to {high:.2%})"),
        *([("top 5", f"{found['top5']:.2%}")] if len(found["per_class"]) > _TOP else []),
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


def at_step(step: int | None, states: int) -> str:
    """Returns, to follow the name of a run, which state of it a net is; "" for imported weights.

    Args:
        step: of the run; None for imported weights.
        states: number of states that the net is the mean of.
    """
    if step is None:
        return ""
    return f", step {step:,}" + (f", the mean of {states:,} states" if states > 1 else "")


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
    count, runs = len(members["runs"]), list(dict.fromkeys(members["runs"]))
    told = [
        f"{name} {word(members[key]['mean'])} ± {word(members[key]['std'])}"
        for key, name, word in _OF_MEMBERS
        if key in members
    ]
    rows = [("one net alone", f"{told[0]} (n = {count}, sample deviation); above is their ensemble")]
    rows += [("also alone", ", ".join(told[1:]))] if told[1:] else []
    if len(runs) > 1:
        names = [
            run if seed is None or members["runs"].count(run) == 1 else f"{run} seed {seed}"
            for run, seed in zip(members["runs"], members["seeds"], strict=True)
        ]
        alone = zip(names, members["accuracy"]["each"], strict=True)
        rows.append(("each alone", ", ".join(f"{name} {share(value)}" for name, value in alone)))
    return [*rows, ("disagreement", f"the {count} nets do not agree on {members['disagreement']:.2%}")]


_OF_MEMBERS: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("accuracy", "accuracy", share),
    ("nll", "negative log-likelihood", lambda value: _number(value)),
    ("ece", "calibration error", share),
)
"""Measures of single nets that are shown: key, name and how a value is written."""


def _of_temperature(scaled: Mapping[str, Any]) -> list[tuple[str, str]]:
    if scaled["value"] is None:
        return [("temperature", f"none, since {scaled['reason']}")]
    before, after = scaled["before"], scaled["after"]
    told = "; ".join(
        f"{name} {_number(before[key])} -> {_number(after[key])}"
        for key, name in (("nll", "negative log-likelihood"), ("brier", "Brier"), ("ece", "calibration error"))
    )
    return [("temperature", f"{scaled['value']:.4f}, fitted on {scaled['fitted_on']}: {told}")]


def _number(value: float | None, unit: str = "") -> str:
    return "-" if value is None else f"{value:.4f} {unit}".rstrip()

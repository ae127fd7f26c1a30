"""What a page says of runs or imported weights, by the names of its template."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import jax

from jaxcnn import runtime
from jaxcnn.data.read.sources import SPLITS
from jaxcnn.evaluation.waiting import waiting
from jaxcnn.evaluation.words import MOST_CLASSES, confused, measures
from jaxcnn.reporting import facts, imported
from jaxcnn.reporting.charts import color, curve_charts
from jaxcnn.reporting.curves import Curve, curves_of, points_of_each
from jaxcnn.reporting.findings import Findings
from jaxcnn.reporting.imported import Imported
from jaxcnn.reporting.pictures import filters_in, filters_of, mistakes_of, pictures_of, seen
from jaxcnn.reporting.recorded import Recorded
from jaxcnn.reporting.score_charts import confusion_chart, reliability_chart

_MISTAKES = 20
"""Pictures of mistakes of one run; several share twice as many, of at least `_FEWEST` each."""
_FEWEST = 6
_PAIRS = 20
"""Pairs of classes that are confused most, in place of a matrix of many classes."""
_WORST = 20
"""Classes of many that are shown: those with the least recall."""


def parts_of(
    runs: Sequence[Recorded],
    found: Sequence[Findings],
    *,
    data_dir: str | os.PathLike[str] | None = None,
    model: Any | None = None,
) -> dict[str, Any]:
    """Returns all that the page says.

    Args:
        runs: as their folders have them.
        found: of each run.
        data_dir: where the data lie; None for where they were.
        model: as of `jaxcnn.load_run`.
    """
    whole = [curves_of(run.rows) for run in runs]
    everything = [curve for curves in whole for curve in curves]
    points = points_of_each(len(everything))
    thinned = [[curve.thinned(points) for curve in curves] for curves in whole]
    most = _most(len(runs))
    differ, same = facts.settings(runs)
    parts = []
    with waiting("charts and pictures of each run", len(runs) + 1, alike=False) as reached:
        for number, each in enumerate(zip(runs, whole, found, strict=True)):
            parts.append(_part(number, *each, most=most, data_dir=data_dir, model=model))
            reached(len(parts))
        reached(len(parts), "curves")
        curves = curve_charts([(run.label, curves) for run, curves in zip(runs, thinned, strict=True)])
    return {
        "trained": True,
        "runs": parts,
        "differ": differ,
        "same": same,
        "curves": curves,
        "splits": [split for split in SPLITS if any(curve.split == split for curve in everything)],
        "seeds": any(curve.seed is not None for curve in everything),
    }


def parts_of_weights(weights: Sequence[Imported]) -> dict[str, Any]:
    """Returns all that the page says of imported weights: what only a training has is left out."""
    most, parts = _most(len(weights)), []
    with waiting("charts and pictures of each net", len(weights), alike=False) as reached:
        for number, each in enumerate(weights):
            parts.append(_part_of_weights(number, each, most))
            reached(len(parts))
    return {"trained": False, "runs": parts}


def _most(count: int) -> int:
    """Returns how many mistakes are shown of each of several runs."""
    return _MISTAKES if count == 1 else max(_FEWEST, 2 * _MISTAKES // count)


def _part(
    number: int,
    run: Recorded,
    curves: Sequence[Curve],
    found: Findings,
    *,
    most: int,
    data_dir: str | os.PathLike[str] | None,
    model: Any | None,
) -> dict[str, Any]:
    """Returns what the page says of one run, by the names of its template.

    Args:
        number: of the run.
        run: as its folder has it.
        curves: whole.
        found: scores.
        most: number of mistakes.
        data_dir: where the data lie.
        model: as of `jaxcnn.load_run`.
    """

    def show(index: list[int]) -> tuple[list[str | None], str]:
        return pictures_of(run, found, index, data_dir)

    return {
        **_common(number, run.label, found, most, show),
        "filters": filters_of(run, model),
        "state": facts.state(run),
        "net": facts.net(run),
        "parameters": f"{run.card['parameters']:,}",
        "facts": facts.facts(run),
        "remarks": facts.remarks(run, curves),
        "pace": facts.pace_in_words(run),
        "on": found.split,
        "measured": facts.measured(run, found, _here()),
        "card": facts.whole_card(run.card),
    }


def _part_of_weights(number: int, weights: Imported, most: int) -> dict[str, Any]:
    """Returns what the page says of imported weights, by the same names as `_part`."""

    def show(index: list[int]) -> tuple[list[str | None], str]:
        return [seen(weights.source, each, weights.subject.square) for each in index], ""

    return {
        **_common(number, weights.label, weights.found, most, show),
        "filters": filters_in(weights.subject.model, weights.variables, weights.image_shape),
        "state": imported.STATE,
        "net": weights.card["model"],
        "parameters": f"{weights.parameters:,}",
        "facts": imported.facts_of(weights),
        "remarks": imported.remarks_of(weights),
        "on": f"{weights.data} {weights.asked.split}",
        "measured": imported.measured(weights, _here()),
        "card": facts.whole_card(weights.card),
    }


def _common(
    number: int,
    label: str,
    found: Findings,
    most: int,
    show: Callable[[list[int]], tuple[list[str | None], str]],
) -> dict[str, Any]:
    """Returns what the page says of runs and of weights alike."""
    mistakes, without_pictures = mistakes_of(found, most, show)
    return {
        "label": label,
        "color": color(number),
        "reason": found.reason,
        "scores": _scores(found),
        "mistakes": mistakes,
        "without_pictures": without_pictures,
    }


def _scores(found: Findings) -> dict[str, Any] | None:
    """Returns the scores of a run as the page shows them."""
    scores = found.scores
    if scores is None:
        return None
    names, few = found.class_names, len(found.class_names) <= MOST_CLASSES
    classes = [each for each in scores["per_class"] if few or each["n"]]
    return {
        **{name: scores[name] for name in ("accuracy", "accuracy_interval", "nll", "ece", "examples", "members")
           if name in scores},
        "measures": measures(scores),
        "confusion": confusion_chart(scores["confusion"], names) if few else None,
        "pairs": [] if few else confused(scores["confusion"], names, _PAIRS),
        "reliability": reliability_chart(scores["reliability"]),
        "classes": classes if few else sorted(classes, key=lambda each: each["recall"])[:_WORST],
        "all_classes": len(scores["per_class"]),
    }  # fmt: skip


def _here() -> str:
    """Returns this machine in words."""
    devices = [f"{device.platform} {device.device_kind}" for device in jax.devices()]
    return facts.machine({"devices": devices, "processor": runtime.processor(), "cpus": os.cpu_count()})

"""The curves of a run, from the rows of metrics.jsonl. Imports no JAX."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxcnn.data.read.sources import SPLITS

MOST_POINTS = 500
"""Most points of a curve."""
_FEWEST_POINTS = 60
_ALL_POINTS = 36_000
"""Points of a page. Each takes about 21 bytes of its file, so that ten runs stay well below 3 MB."""
_FIRST = ("loss", "accuracy")
_LAST = ("learning_rate", "images_per_second")
"""Metrics that come first and last; others stand between them."""
_NO_CURVES = {"step", "epoch", "time"}
_AVERAGED = "swa/"
"""Of what is logged of an averaged net, once."""
_NO_METRICS = {"examples", "seconds", "data_wait", "nonfinite", "partial"}
_SEED = re.compile(r"(?P<name>.+)/seed(?P<seed>\d+)")


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Curve:
    """A metric over the steps of a run."""

    metric: str
    """As "loss", or the whole name of one that is of no split."""
    split: str
    """"train", "val" or "test"; "" for a metric that is of no split."""
    seed: int | None
    """Of one of several nets; None for their mean, and for a single net."""
    step: np.ndarray
    """(points,) int32."""
    epoch: np.ndarray
    """(points,) float32."""
    minutes: np.ndarray
    """(points,) float32, since the run was first started."""
    value: np.ndarray
    """(points,) float32; NaN where it was not finite."""
    lost: int
    """Values that were not finite, before the curve was thinned."""
    first_lost: int | None
    """The step of the first of them."""

    def thinned(self, most: int) -> "Curve":
        """Returns the curve with at most `most` points."""
        kept = thin(self.value, most)
        parts = {name: getattr(self, name)[kept] for name in ("step", "epoch", "minutes", "value")}
        return dataclasses.replace(self, **parts)


def thin(value: np.ndarray, most: int) -> np.ndarray:
    """Returns the places of at most `most` points of a curve, in order.

    Both ends are among them, the least and the largest value of each of many equal parts, and a point that is not
    finite of each part that has one, so that a gap stays a gap.

    Args:
        value: (points,) float.
        most: at least 5.
    """
    if len(value) <= most:
        return np.arange(len(value))
    kept = {0, len(value) - 1}
    of_each = 2 if np.isfinite(value).all() else 3
    for part in np.array_split(np.arange(len(value)), (most - 2) // of_each):
        finite = np.isfinite(value[part])
        if finite.any():
            good = part[finite]
            kept |= {int(good[np.argmin(value[good])]), int(good[np.argmax(value[good])])}
        kept |= set(part[~finite][:1].tolist())
    return np.array(sorted(kept))


def curves_of(rows: Sequence[Mapping[str, Any]]) -> list[Curve]:
    """Returns all curves of the rows of metrics.jsonl, whole, by metric."""
    keys = list(dict.fromkeys(key for row in rows for key in row if _is_curve(key)))
    return sorted((_curve(key, rows) for key in keys), key=lambda curve: _order(curve.metric))


def points_of_each(curves: int) -> int:
    """Returns the most points of each of a number of curves, so that the page does not grow beyond its size."""
    return min(MOST_POINTS, max(_FEWEST_POINTS, _ALL_POINTS // max(curves, 1)))


def _is_curve(key: str) -> bool:
    split, _, metric = key.partition("/")
    if split in SPLITS:
        return metric.partition("/")[0] not in _NO_METRICS and not metric.endswith("/std")
    return key not in _NO_CURVES and not key.startswith(_AVERAGED)


def _curve(key: str, rows: Sequence[Mapping[str, Any]]) -> Curve:
    own = [row for row in rows if key in row]
    split, _, metric = key.partition("/")
    split, metric = (split, metric) if split in SPLITS else ("", key)
    found = _SEED.fullmatch(metric)
    value = np.array([_number(row[key]) for row in own], np.float32)
    step = np.array([row["step"] for row in own], np.int32)
    lost = np.flatnonzero(~np.isfinite(value))
    return Curve(
        metric=found["name"] if found else metric,
        split=split,
        seed=int(found["seed"]) if found else None,
        step=step,
        epoch=np.array([_number(row.get("epoch")) for row in own], np.float32),
        minutes=np.array([_number(row.get("time")) for row in own], np.float32) / 60,
        value=np.where(np.isfinite(value), value, np.float32(np.nan)),
        lost=0 if metric == "images_per_second" else len(lost),  # it is null at a log that was all compiling
        first_lost=int(step[lost[0]]) if len(lost) else None,
    )


def _number(value: Any) -> float:
    """Returns a logged value; NaN for one that was not finite, or that somebody's program wrote as no number."""
    return float(value) if isinstance(value, int | float) else float("nan")


def _order(metric: str) -> int:
    if metric in _FIRST:
        return _FIRST.index(metric)
    return len(_FIRST) + 1 + _LAST.index(metric) if metric in _LAST else len(_FIRST)

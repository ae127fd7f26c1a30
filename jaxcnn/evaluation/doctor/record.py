"""Verdicts from what a run has recorded."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from jaxcnn.evaluation.doctor.verdict import Verdict
from jaxcnn.evaluation.scores import interval, predicted
from jaxcnn.evaluation.subject import Subject
from jaxcnn.train.span import waiting

WIDEST = 0.04
"""Widest interval of the validation accuracy."""
END_RATE = 0.1
"""Highest learning rate at the end, as a fraction of its peak."""
GAP = 0.10
"""Largest difference between training and validation accuracy."""
WAITING = 0.1
"""Largest share of the training time that may be spent waiting for data."""
GENERALISATION = "generalisation"
"""The question whether the net knows its training images better than others."""
OF_ALL = frozenset({"learning rate", GENERALISATION, "data"})
"""Questions whose answers are of all nets of a run of several seeds: what is logged is their mean."""


def verdicts(subject: Subject, card: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Iterator[Verdict]:
    """Yields the verdicts that need no computing."""
    unfinished = _unfinished(subject, card, rows)
    if "val" in subject.kept:
        yield _validation(subject, card)
    else:
        why = (
            f"{unfinished}: predictions are kept when it ends"
            if unfinished
            else "no predictions of this state are kept"
        )
        yield Verdict("validation split", None, why)
    if rates := [row["train/learning_rate"] for row in rows if row.get("train/learning_rate") is not None]:
        if unfinished:
            yield Verdict("learning rate", None, f"{unfinished}: the rate has not come to its end")
        else:
            yield _learning_rate(rates, card)
    train = [row["train/accuracy"] for row in rows if row.get("train/accuracy") is not None]
    val = [row["val/accuracy"] for row in rows if row.get("val/accuracy") is not None]
    if train and val:
        yield _generalisation(train[-1], val[-1])
    if (waited := waiting(rows)) is not None:
        yield _data(waited)


def _unfinished(subject: Subject, card: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """Returns how far a run is that has not ended, in words; "" for one that has."""
    step = max([subject.step or 0, *(row.get("step") or 0 for row in rows)])
    if step >= card["total_steps"] or card.get("stopped"):
        return ""
    return f"not finished, step {step:,} of {card['total_steps']:,}"


def _validation(subject: Subject, card: Mapping[str, Any]) -> Verdict:
    kept = subject.kept["val"]
    logits = kept.logits[0] if kept.logits.ndim == 3 else kept.logits
    label = kept.label if kept.label.ndim == 1 else kept.label.argmax(axis=-1)
    low, high = interval(int(np.sum(predicted(logits) == label)), len(label))
    figures = f"{len(label):,} validation images: the 95 % interval of the accuracy is {low:.1%} to {high:.1%}"
    if high - low <= WIDEST:
        return Verdict("validation split", True, figures)
    needed = int(np.ceil(len(label) * ((high - low) / WIDEST) ** 2))
    examples = card.get("data", {}).get("examples", {})
    images = examples.get("train", 0) + examples.get("val", 0)
    if needed <= images / 2:
        mend = f"--config.data.validation={needed} and a new --workdir, or compare several seeds"
    else:
        mend = "compare several seeds, as by --config.num_seeds=5 and a new --workdir: "
        mend += f"{images:,} images are too few for a validation split of {needed:,}"
    return Verdict("validation split", False, f"{figures}; smaller differences cannot be told", mend)


def _learning_rate(rates: Sequence[float], card: Mapping[str, Any]) -> Verdict:
    resolved = card.get("resolved", {})
    recorded = (resolved.get("learning_rate") or {}).get("peak")
    peak = max(recorded or 0.0, *rates)
    share = rates[-1] / peak if peak else 0.0
    figures = f"it ends at {rates[-1]:.3g}, {share:.1%} of its peak {peak:.3g}"
    if share <= END_RATE:
        return Verdict("learning rate", True, figures)
    if (resolved.get("swa") or {}).get("learning_rate") is not None:  # as high as it must be for states that differ
        return Verdict("learning rate", True, f"{figures}, which swa.learning_rate holds for the averaged net")
    return Verdict("learning rate", False, figures, "--config.schedule.name=cosine, or a longer run")


def _generalisation(train: float, val: float) -> Verdict:
    figures = f"accuracy is {train:.1%} in training and {val:.1%} on validation"
    if train - val <= GAP:
        return Verdict(GENERALISATION, True, figures)
    mend = "more augmentation (--config.data.augment), weight decay or data, or a smaller net"
    return Verdict(GENERALISATION, False, figures, mend)


def _data(waited: float) -> Verdict:
    figures = f"training waited for data {waited:.1%} of its time"
    if waited <= WAITING:
        return Verdict("data", True, figures)
    mend = "--config.data.workers, or `jaxcnn benchmark data`, which says what takes long"
    return Verdict("data", False, figures, mend)

"""Verdicts on the running statistics of batch norms."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from flax import traverse_util

from jaxcnn.data.read.dataset import Dataset
from jaxcnn.data.read.records import Source
from jaxcnn.evaluation.data import few
from jaxcnn.evaluation.doctor.verdict import Verdict
from jaxcnn.evaluation.forward import Forward, batches_of, collect
from jaxcnn.evaluation.scores import predicted
from jaxcnn.evaluation.statistics import batch_accuracy, estimate_on
from jaxcnn.evaluation.subject import Subject
from jaxcnn.layers.variables import STATISTICS
from jaxcnn.train.run import Run

RATIO = 1.5
"""Largest ratio between a running variance and that of the training images, in the median over channels."""
GAIN = 0.01
"""Largest accuracy that new statistics may gain."""
MOST = 2048
"""Most training images that are looked at."""


def verdicts(run: Run, subject: Subject) -> Iterator[Verdict]:
    """Yields nothing for a net without batch norms."""
    if STATISTICS not in subject.members[0]:
        return
    assert isinstance(run.dataset, Dataset)
    train, val = run.dataset.sources["train"], run.dataset.sources["val"]
    images = few(train, MOST)
    old = subject.members[0]
    size = min(run.batch_size, len(images.labels))
    [new] = estimate_on(subject, [old], images, batch_size=size, frozen=run.groups.frozen)
    yield _of_variances(old[STATISTICS], new[STATISTICS], len(images.labels))
    yield _of_accuracy(subject, new, val, min(run.batch_size, len(val.labels)))


def _of_variances(old: Any, new: Any, images: int) -> Verdict:
    before, after = (traverse_util.flatten_dict(jax.device_get(tree), sep="/") for tree in (old, new))
    off = {
        path.removesuffix("/var"): float(np.median(_ratio(before[path], after[path])))
        for path in before
        if path.endswith("var")
    }
    worst = max(off, key=off.__getitem__)
    figures = f"of {len(off)} batch norms, {worst} is furthest from the statistics of {images:,} training images: "
    figures += f"its variances are off by a factor of {off[worst]:.2f} in the median"
    if off[worst] <= RATIO:
        return Verdict("running statistics", True, figures)
    return Verdict("running statistics", False, figures, "`jaxcnn recalibrate RUN --output NEW`")


def _ratio(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Returns by what factor values differ, at least 1."""
    found = (one + 1e-12) / (other + 1e-12)
    return np.maximum(found, 1 / found)


def _of_accuracy(subject: Subject, new: Any, val: Source, size: int) -> Verdict:
    both = dataclasses.replace(subject, members=(subject.members[0], new))
    logits, places, _ = collect(Forward(both, most=len(val.labels)), val, what="validation")
    running, estimated = (float(np.mean(predicted(each) == val.labels[places])) for each in logits)
    batches = batches_of(val, subject.square, size, what="batch statistics")
    batch = batch_accuracy(subject, (each for each in batches if each["mask"].all()))
    figures = f"validation accuracy is {running:.2%} with running statistics, {batch:.2%} with those of batches of "
    figures += f"{size}, and {estimated:.2%} with new ones"
    if estimated - running <= GAIN:
        return Verdict("statistics and accuracy", True, figures)
    return Verdict("statistics and accuracy", False, figures, "`jaxcnn recalibrate RUN --output NEW`")

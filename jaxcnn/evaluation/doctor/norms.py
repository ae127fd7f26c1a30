"""Verdicts on the running statistics of batch norms."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from jaxcnn.data.read.dataset import Dataset
from jaxcnn.data.read.records import Source
from jaxcnn.evaluation.doctor.verdict import Verdict
from jaxcnn.evaluation.statistics import accuracies, by_factor, estimate_on, mixed, variance_ratios
from jaxcnn.evaluation.subject import Subject
from jaxcnn.layers.variables import STATISTICS
from jaxcnn.train.parts.frozen import Frozen
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
    images, frozen = mixed(train, MOST), run.groups.frozen
    size = min(run.batch_size, len(images.labels))
    [new] = estimate_on(subject, [subject.members[0]], images, batch_size=size, frozen=frozen)
    yield _of_variances(subject, new, len(images.labels))
    yield _of_accuracy(subject, new, val, min(run.batch_size, len(val.labels)), frozen)


def _of_variances(subject: Subject, new: Any, images: int) -> Verdict:
    ratios = variance_ratios(subject.members[0], new)
    off = {path: float(np.median(by_factor(ratio))) for path, ratio in ratios.items()}
    worst = max(off, key=off.__getitem__)
    figures = f"of {len(off)} batch norms, {worst} is furthest from the statistics of {images:,} training images: "
    figures += f"its variances are off by a factor of {off[worst]:.2f} in the median"
    if off[worst] <= RATIO:
        return Verdict("running statistics", True, figures)
    return Verdict("running statistics", False, figures, "`jaxcnn recalibrate RUN --output NEW`")


def _of_accuracy(subject: Subject, new: Any, val: Source, size: int, frozen: Frozen) -> Verdict:
    running, batch, estimated = (each.accuracy or 0.0 for each in accuracies(subject, new, val, [size], frozen=frozen))
    figures = f"validation accuracy is {running:.2%} with running statistics, {batch:.2%} with those of batches of "
    figures += f"{size}, and {estimated:.2%} with new ones"
    if estimated - running <= GAIN:
        return Verdict("statistics and accuracy", True, figures)
    return Verdict("statistics and accuracy", False, figures, "`jaxcnn recalibrate RUN --output NEW`")

"""Verdicts on the running statistics of batch norms."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import stats

from jaxcnn.data.read.dataset import Dataset
from jaxcnn.evaluation.doctor.verdict import Verdict
from jaxcnn.evaluation.statistics import Answers, answers, by_factor, estimate_on, mixed, variance_ratios
from jaxcnn.evaluation.subject import Subject
from jaxcnn.evaluation.words import share
from jaxcnn.layers.variables import STATISTICS
from jaxcnn.train.run import Run

RATIO = 1.5
"""Largest ratio between a running variance and that of the training images, in the median over channels."""
GAIN = 0.01
"""Largest accuracy that new statistics may gain."""
ACCURACY = "statistics and accuracy"
"""The question whether new statistics are better."""
CHANCE = 0.05
"""A gain that chance alone gives this often is none, by McNemar's exact test on the same images."""
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
    yield _of_accuracy(*answers(subject, new, val, [_even(len(val.labels), run.batch_size)], frozen=frozen))


def _even(images: int, batch_size: int) -> int:
    """Returns the largest size of a batch, at most `batch_size`, that leaves hardly any image out of a whole batch."""
    return images // -(-images // batch_size)


def _of_variances(subject: Subject, new: Any, images: int) -> Verdict:
    ratios = variance_ratios(subject.members[0], new)
    off = {path: float(np.median(by_factor(ratio))) for path, ratio in ratios.items()}
    worst = max(off, key=off.__getitem__)
    figures = f"of {len(off)} batch norms, {worst} is furthest from the statistics of {images:,} training images: "
    figures += f"its variances are off by a factor of {off[worst]:.2f} in the median"
    if off[worst] <= RATIO:
        return Verdict("running statistics", True, figures)
    return Verdict("running statistics", False, figures, "`jaxcnn recalibrate RUN --output NEW`")


def _of_accuracy(running: Answers, batch: Answers, new: Answers) -> Verdict:
    """Returns the verdict on what is right of the same images with statistics of each kind."""
    figures = f"of {len(running.right):,} validation images, {share(running.accuracy)} are right with running "
    figures += f"statistics, {share(batch.accuracy)} with those of batches of {batch.batch}, and "
    figures += f"{share(new.accuracy)} with new ones"
    gained, lost = int(np.sum(new.right & ~running.right)), int(np.sum(running.right & ~new.right))
    if gained - lost <= GAIN * len(new.right):
        return Verdict(ACCURACY, True, figures)
    chance = float(stats.binomtest(gained, gained + lost).pvalue)
    figures += f": {gained:,} are gained and {lost:,} lost, p = {chance:.2g}"
    if chance > CHANCE:
        return Verdict(ACCURACY, True, f"{figures}, which may be chance")
    return Verdict(ACCURACY, False, figures, "`jaxcnn recalibrate RUN --output NEW`")

"""Two runs on the same examples: what each gets right, by seed, by class and by image."""

import dataclasses
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np

from jaxcnn.comparing.statistics import Paired, PairedDifference, mcnemar, paired_difference
from jaxcnn.errors import UserError
from jaxcnn.evaluation.scores import NO_CLASS, ensemble, log_probabilities, predicted
from jaxcnn.evaluation.subject import padded
from jaxcnn.train.files.predictions import Predictions

NOTHING = "nothing finite"
"""The predicted class of logits that are not finite."""


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Answers:
    """What a run says of the examples of a split."""

    name: str
    """The run, as the user named it."""
    seeds: tuple[int, ...]
    """Of its nets."""
    class_names: tuple[str, ...]
    """By label; a net may have more outputs."""
    fingerprint: str | None
    """Of its data, all splits; None if it is not known."""
    predictions: Predictions

    @property
    def logits(self) -> np.ndarray:
        """(nets, examples, classes) float32."""
        logits = self.predictions.logits
        return logits if logits.ndim == 3 else logits[None]

    def of(self, rows: np.ndarray, nets: Sequence[int]) -> "Answers":
        """Returns those of some examples and some nets, by their places."""
        found = self.predictions
        arrays = {name: getattr(found, name)[rows] for name in ("label", "index", "file_name")}
        chosen = dataclasses.replace(found, logits=self.logits[list(nets)][:, rows], **arrays)
        return dataclasses.replace(self, seeds=tuple(self.seeds[net] for net in nets), predictions=chosen)

    def right(self) -> np.ndarray:
        """Returns which net is right about which example, (nets, examples) bool."""
        return np.stack([predicted(one) for one in self.logits]) == self.predictions.label

    def guesses(self) -> list[str]:
        """Returns the class that is predicted of each example, of several nets by their mean probability."""
        outputs = predicted(ensemble(self.logits)).tolist()
        names = padded(self.class_names, self.logits.shape[-1])
        return [NOTHING if output == NO_CLASS else names[output] for output in outputs]

    def truth(self) -> list[str]:
        """Returns the class of each example."""
        return [self.class_names[label] for label in self.predictions.label.tolist()]

    def files(self) -> list[str]:
        """Returns the file of each example; "" for one that has none."""
        return [str(name) for name in self.predictions.file_name]

    def certainty(self) -> np.ndarray:
        """Returns the probability of the true class, (examples,) float64, the mean over nets; 0 if it is not finite."""
        label = self.predictions.label[:, None]
        each = [np.take_along_axis(log_probabilities(one), label, axis=-1)[:, 0] for one in self.logits]
        return np.nan_to_num(np.exp(each).mean(axis=0))


class Pair(NamedTuple):
    """A net of the first run and one of the second."""

    seeds: tuple[int, int]
    accuracy: tuple[float, float]
    counts: Paired


class Class(NamedTuple):
    """A class, and how often its examples are recognised."""

    name: str
    n: int
    accuracy: tuple[float, float] | None
    """Of each run, the mean over its nets; None without examples."""


@dataclasses.dataclass(frozen=True)
class Image:
    """An example that one run gets and the other does not, or more nets of the one than of the other."""

    index: int
    """Its place in the split."""
    file: str | None
    label: str
    right: tuple[int, int]
    """Nets of each run that are right."""
    predicted: tuple[str, str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """How two runs compare on the same examples."""

    examples: int
    left_out: int
    """Examples that only one of them was shown, as the other could not read their images."""
    pairs: tuple[Pair, ...]
    """By seed."""
    over_seeds: PairedDifference | None
    """Of the accuracies, over the pairs; None for a single pair."""
    classes: tuple[Class, ...]
    images: tuple[Image, ...]
    """The most telling ones first: those about which most nets differ, and these by the probability of the truth."""

    def only(self, number: int) -> list[Image]:
        """Returns the images that the first (0) or the second (1) run gets, or more of its nets."""
        return [image for image in self.images if image.right[number] > image.right[1 - number]]

    def as_dict(self) -> dict[str, Any]:
        """Returns all of it for JSON."""
        over = self.over_seeds
        return {
            "examples": self.examples,
            "left_out": self.left_out,
            "pairs": [
                {"seeds": list(pair.seeds), "accuracy": list(pair.accuracy), **pair.counts._asdict()}
                for pair in self.pairs
            ],
            "over_seeds": over and over._asdict(),
            "per_class": [
                {"class": each.name, "n": each.n, "accuracy": each.accuracy and list(each.accuracy)}
                for each in self.classes
            ],
            "images": [dataclasses.asdict(image) for image in self.images],
        }


def paired(first: Answers, second: Answers) -> Comparison:
    """Returns how two runs compare, example by example; the nets of several seeds are paired by seed.

    Raises:
        UserError: if they are of other examples or classes, or have several seeds and none in common.
    """
    nets = _paired_seeds(first, second)
    (here, there), left_out = _same_examples(first, second)
    one, two = first.of(here, [net for net, _ in nets]), second.of(there, [net for _, net in nets])
    right = one.right(), two.right()
    accuracy = [tuple(each.mean(axis=1).tolist()) for each in right]
    pairs = [
        Pair(seeds, found, mcnemar(*answers))
        for seeds, found, answers in zip(
            zip(one.seeds, two.seeds, strict=True),
            zip(*accuracy, strict=True),
            zip(*right, strict=True),
            strict=True,
        )
    ]
    return Comparison(
        examples=right[0].shape[1],
        left_out=left_out,
        pairs=tuple(pairs),
        over_seeds=paired_difference(*accuracy) if len(pairs) > 1 else None,
        classes=_classes(one, right),
        images=_images(one, two, right),
    )


def _paired_seeds(first: Answers, second: Answers) -> list[tuple[int, int]]:
    """Returns the places of the nets that are compared: those of one seed; two single nets whatever their seeds."""
    if len(first.seeds) == len(second.seeds) == 1:
        return [(0, 0)]
    shared = [seed for seed in first.seeds if seed in second.seeds]
    if not shared:
        one, two = (", ".join(map(str, run.seeds)) for run in (first, second))
        raise UserError(f"{first.name} has the seeds {one} and {second.name} {two}: none in common to pair nets by")
    return [(first.seeds.index(seed), second.seeds.index(seed)) for seed in shared]


def _same_examples(first: Answers, second: Answers) -> tuple[tuple[np.ndarray, np.ndarray], int]:
    """Returns the places of the examples that both were shown, and how many only one of them was.

    Raises:
        UserError: if the examples are others, by classes, number, labels or names of files.
    """
    other = f"{first.name} and {second.name} are of other data"
    if unknown := sorted(set(first.class_names) ^ set(second.class_names)):
        raise UserError(f"{other}: {unknown[0]!r} is a class of only one of them")
    one, two = first.predictions.index, second.predictions.index
    common, here, there = np.intersect1d(one, two, assume_unique=True, return_indices=True)
    left_out = len(one) + len(two) - 2 * len(common)
    same = first.fingerprint == second.fingerprint is not None  # then one of them could not read some images
    if not len(common) or (left_out and not same):
        raise UserError(f"{other}: {len(one):,} and {len(two):,} examples, {len(common):,} of them in common")
    pair = first.of(here, range(len(first.seeds))), second.of(there, range(len(second.seeds)))
    labels, files = [run.truth() for run in pair], [run.files() for run in pair]
    wrong = [place for place, pair in enumerate(zip(*labels, strict=True)) if pair[0] != pair[1]]
    if wrong:
        place = wrong[0]
        told = f"that of example {common[place]} is {labels[0][place]!r} and {labels[1][place]!r}"
        raise UserError(f"{other}: {len(wrong):,} of {len(common):,} labels differ, {told}")
    moved = [names for names in zip(*files, strict=True) if all(names) and len(set(map(_last, names))) > 1]
    if moved:
        raise UserError(f"{other}: in the same place are {_last(moved[0][0])} and {_last(moved[0][1])}")
    return (here, there), left_out


def _last(path: str) -> str:
    return PurePath(path).name


def _classes(one: Answers, right: Sequence[np.ndarray]) -> tuple[Class, ...]:
    """Returns the accuracy of each class, in the order of the first run."""
    label = one.predictions.label
    found = []
    for number, name in enumerate(one.class_names):
        own = label == number
        shares = (float(right[0][:, own].mean()), float(right[1][:, own].mean())) if own.any() else None
        found.append(Class(name, int(own.sum()), shares))
    return tuple(found)


def _images(one: Answers, two: Answers, right: Sequence[np.ndarray]) -> tuple[Image, ...]:
    """Returns the images about which the runs differ, the most telling first."""
    hits = [each.sum(axis=0) for each in right]
    margin = hits[0] - hits[1]
    certain = one.certainty() - two.certainty()
    order = sorted(np.flatnonzero(margin).tolist(), key=lambda row: (-abs(margin[row]), -abs(certain[row])))
    truth, guesses, files, index = one.truth(), (one.guesses(), two.guesses()), one.files(), one.predictions.index
    return tuple(
        Image(
            index=int(index[row]),
            file=files[row] or None,
            label=truth[row],
            right=(int(hits[0][row]), int(hits[1][row])),
            predicted=(guesses[0][row], guesses[1][row]),
        )
        for row in order
    )

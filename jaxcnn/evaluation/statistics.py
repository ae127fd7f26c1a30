"""The statistics of batch norms on images of any source; `jaxcnn.train.statistics` estimates them."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.augment.views import parse_views
from jaxcnn.data.read.records import Source, Subset, mixing_order
from jaxcnn.evaluation.data import few
from jaxcnn.evaluation.forward import Forward, batches_of, collect
from jaxcnn.evaluation.scores import predicted
from jaxcnn.evaluation.subject import Subject
from jaxcnn.layers.variables import STATISTICS, by_path
from jaxcnn.train.devices.mesh import make_mesh
from jaxcnn.train.parts.frozen import Frozen
from jaxcnn.train.statistics import batch_sizes, estimate, in_training_mode, rebatched
from jaxcnn.types import Variables

NOTHING = Frozen()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Accuracy:
    """The accuracy of a net with statistics of one kind."""

    statistics: str
    """"running", "batch" or "new"."""
    batch: int | None
    """Number of images that share statistics, of "batch"."""
    accuracy: float | None
    """None if there are fewer images than a batch has."""
    examples: int
    """That it is of, the same for all kinds: those of whole batches; 0 if there are fewer than a batch has."""


def mixed(source: Source, most: int) -> Source:
    """Returns at most so many examples of a source, evenly spread, in an order that mixes them, always the same."""
    chosen = few(source, most)
    return Subset(chosen, mixing_order(len(chosen.labels)))


def estimate_on(
    subject: Subject, nets: Sequence[Variables], source: Source, *, batch_size: int, frozen: Frozen
) -> list[Variables]:
    """Returns, for each of `nets`, its variables with the statistics of its batch norms over all images of a source.

    Args:
        subject: the net.
        nets: their variables; all see a batch once it is read.
        source: the images; their order does not matter but for the division into batches, see `mixed`.
        batch_size: about the number of images that share statistics.
        frozen: what of the net is frozen; such norms keep their statistics.
    """
    mesh = make_mesh()
    read = batches_of(source, subject.square, batch_size, what="statistics")
    views = parse_views(subject.views)
    images = (np.asarray(views(subject.whitened(jnp.asarray(batch["image"])))[0])[batch["mask"] > 0] for batch in read)
    sizes = batch_sizes(len(source.labels), batch_size, mesh.size)
    return estimate(subject.model.apply, nets, rebatched(images, sizes), mesh, frozen=frozen)[0]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """Which images a net gets right with statistics of one kind."""

    statistics: str
    """As of `Accuracy`."""
    batch: int | None
    """As of `Accuracy`."""
    place: np.ndarray
    """(images,) int64, in ascending order; none if there are fewer images than a batch has."""
    right: np.ndarray
    """(images,) bool."""

    @property
    def accuracy(self) -> float | None:
        """The share that is right; None of no images."""
        return float(np.mean(self.right)) if len(self.right) else None

    def of(self, places: np.ndarray) -> "Answers":
        """Returns those on some of the images."""
        among = np.isin(self.place, places)
        return dataclasses.replace(self, place=self.place[among], right=self.right[among])


def accuracies(
    subject: Subject, new: Variables, source: Source, batches: Sequence[int], *, frozen: Frozen = NOTHING
) -> list[Accuracy]:
    """Returns the accuracies of `answers`, whose arguments it takes."""
    return [
        Accuracy(statistics=each.statistics, batch=each.batch, accuracy=each.accuracy, examples=len(each.right))
        for each in answers(subject, new, source, batches, frozen=frozen)
    ]


def answers(
    subject: Subject, new: Variables, source: Source, batches: Sequence[int], *, frozen: Frozen = NOTHING
) -> list[Answers]:
    """Returns what the first net gets right with its running statistics, those of batches, and new ones.

    All are on the same images: those that are in a whole batch of each size that is not larger than the source.

    Args:
        subject: the net.
        new: its variables with new statistics.
        source: of the images.
        batches: numbers of images that share statistics.
        frozen: what of the net is frozen; such norms keep their statistics.
    """
    both = dataclasses.replace(subject, members=(subject.members[0], new))
    images = mixed(source, len(source.labels))
    logits, place, _ = collect(Forward(both, most=len(images.labels)), images, what="validation")
    running, estimated = (predicted(each) == images.labels[place] for each in logits)
    found = [
        Answers(statistics="running", batch=None, place=place, right=running),
        *(_by_batch(subject, images, size, frozen) for size in batches),
        Answers(statistics="new", batch=None, place=place, right=estimated),
    ]
    common = functools.reduce(np.intersect1d, [each.place for each in found if len(each.place)], place)
    return [each.of(common) for each in found]


def _by_batch(subject: Subject, source: Source, size: int, frozen: Frozen) -> Answers:
    """Returns what the first net gets right if each batch is normalised by its own statistics, of whole batches."""
    forward = in_training_mode(frozen.apply(subject.model.apply))
    program = jax.jit(lambda variables, image: forward(variables, subject.whitened(image))[0])
    places, right = [np.zeros(0, np.int64)], [np.zeros(0, bool)]
    if size <= len(source.labels):
        for number, batch in enumerate(batches_of(source, subject.square, size, what=f"statistics of {size} images")):
            if batch["mask"].all():
                logits = jax.device_get(program(subject.members[0], batch["image"]))
                places.append(number * size + np.arange(size))
                right.append(predicted(logits) == batch["label"])
    return Answers(statistics="batch", batch=size, place=np.concatenate(places), right=np.concatenate(right))


def variance_ratios(running: Variables, other: Variables) -> dict[str, np.ndarray]:
    """Returns the running variances of each batch norm over those of other statistics, by channel, by its path.

    Args:
        running: variables of a net.
        other: the same with other statistics.
    """
    before, after = (by_path(jax.device_get(tree[STATISTICS])) for tree in (running, other))
    return {
        path.removesuffix("/var"): (before[path] + _SMALL) / (after[path] + _SMALL)
        for path in before
        if path.endswith("var")
    }


def mean_offsets(running: Variables, other: Variables) -> dict[str, np.ndarray]:
    """Returns how many deviations the running means are from other means, by channel, by the path of the batch norm."""
    before, after = (by_path(jax.device_get(tree[STATISTICS])) for tree in (running, other))
    paths = [path.removesuffix("/mean") for path in before if path.endswith("/mean")]
    return {
        path: (before[f"{path}/mean"] - after[f"{path}/mean"]) / np.sqrt(after[f"{path}/var"] + _SMALL)
        for path in paths
        if f"{path}/var" in after
    }


def by_factor(ratio: Any) -> np.ndarray:
    """Returns by what factor values differ, at least 1, from their ratio."""
    return np.maximum(ratio, 1 / np.asarray(ratio))


_SMALL = 1e-12

"""The statistics of batch norms on images of any source; `jaxcnn.train.statistics` estimates them."""

import dataclasses
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
    """That it is of: "batch" leaves out a last batch that is not whole."""


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


def accuracies(
    subject: Subject, new: Variables, source: Source, batches: Sequence[int], *, frozen: Frozen = NOTHING
) -> list[Accuracy]:
    """Returns the accuracy of the first net with its running statistics, those of batches, and new ones.

    Args:
        subject: the net.
        new: its variables with new statistics.
        source: of the images.
        batches: numbers of images that share statistics.
        frozen: what of the net is frozen; such norms keep their statistics.
    """
    both = dataclasses.replace(subject, members=(subject.members[0], new))
    logits, places, _ = collect(Forward(both, most=len(source.labels)), source, what="validation")
    running, estimated = (float(np.mean(predicted(each) == source.labels[places])) for each in logits)
    all_images = mixed(source, len(source.labels))
    return [
        Accuracy(statistics="running", batch=None, accuracy=running, examples=len(places)),
        *(_by_batch(subject, all_images, size, frozen) for size in batches),
        Accuracy(statistics="new", batch=None, accuracy=estimated, examples=len(places)),
    ]


def _by_batch(subject: Subject, source: Source, size: int, frozen: Frozen) -> Accuracy:
    """Returns the accuracy of the first net if each batch is normalised by its own statistics."""
    if size > len(source.labels):
        return Accuracy(statistics="batch", batch=size, accuracy=None, examples=0)
    forward = in_training_mode(frozen.apply(subject.model.apply))
    program = jax.jit(lambda variables, image: forward(variables, subject.whitened(image))[0])
    hits = [
        np.argmax(program(subject.members[0], batch["image"]), axis=-1) == batch["label"]
        for batch in batches_of(source, subject.square, size, what=f"statistics of {size} images")
        if batch["mask"].all()
    ]
    found = float(np.mean(np.concatenate(hits))) if hits else None
    return Accuracy(statistics="batch", batch=size, accuracy=found, examples=size * len(hits))


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

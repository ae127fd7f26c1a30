"""The statistics of batch norms on images of any source; `jaxcnn.train.statistics` estimates them."""

from collections.abc import Iterable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.augment.views import parse_views
from jaxcnn.data.feed.batches import HostBatch
from jaxcnn.data.read.records import Source
from jaxcnn.evaluation.forward import batches_of
from jaxcnn.evaluation.subject import Subject
from jaxcnn.train.devices.mesh import make_mesh
from jaxcnn.train.parts.frozen import Frozen
from jaxcnn.train.statistics import batch_sizes, estimate, in_training_mode, rebatched
from jaxcnn.types import Variables


def estimate_on(
    subject: Subject, nets: Sequence[Variables], source: Source, *, batch_size: int, frozen: Frozen
) -> list[Variables]:
    """Returns, for each of `nets`, its variables with the statistics of its batch norms over all images of a source.

    Args:
        subject: the net.
        nets: their variables; all see a batch once it is read.
        source: the images; their order does not matter but for the division into batches.
        batch_size: about the number of images that share statistics.
        frozen: what of the net is frozen; such norms keep their statistics.
    """
    mesh = make_mesh()
    read = batches_of(source, subject.square, batch_size, what="statistics")
    views = parse_views(subject.views)
    images = (np.asarray(views(subject.whitened(jnp.asarray(batch["image"])))[0])[batch["mask"] > 0] for batch in read)
    sizes = batch_sizes(len(source.labels), batch_size, mesh.size)
    return estimate(subject.model.apply, nets, rebatched(images, sizes), mesh, frozen=frozen)[0]


def batch_accuracy(subject: Subject, batches: Iterable[HostBatch]) -> float:
    """Returns the accuracy of the first net if each batch is normalised by its own statistics; NaN for no batches."""
    variables = subject.members[0]
    forward = in_training_mode(subject.model.apply)
    program = jax.jit(lambda variables, image: forward(variables, subject.whitened(image))[0])
    hits = [np.argmax(program(variables, batch["image"]), axis=-1) == batch["label"] for batch in batches]
    return float(np.mean(np.concatenate(hits))) if hits else float("nan")

"""Shows images to a net, in batches of one shape, so that one program is compiled."""

from collections.abc import Callable, Iterator, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn import runtime
from jaxcnn.accel.accelerate import accelerate
from jaxcnn.augment.views import over_views, parse_views
from jaxcnn.data.feed.batches import EvalBatches, HostBatch
from jaxcnn.data.feed.reader import Reader
from jaxcnn.data.read.crops import ToSquare
from jaxcnn.data.read.records import Source
from jaxcnn.errors import UserError, unknown_word
from jaxcnn.evaluation.subject import Subject
from jaxcnn.evaluation.waiting import waiting
from jaxcnn.layers.variables import stage_outputs
from jaxcnn.train.devices.mesh import in_turn, make_mesh, on_every_device, over_batch, platform_of, replicated
from jaxcnn.types import ApplyFn, Array, Variables

_PIXELS = 2**22
"""Most pixels of a batch, unless it is one image."""
_LARGEST = 256
"""Most images of a batch."""


class Forward:
    """Computes the logits of images. The program is compiled at the first call."""

    def __init__(
        self,
        subject: Subject,
        *,
        views: str | None = None,
        layer: str | None = None,
        batch_size: int | None = None,
        most: int | None = None,
    ) -> None:
        """Makes the program.

        Args:
            subject: the net, or nets.
            views: of each image, whose probabilities are averaged; None for the subject's own.
            layer: name of a stage output, as "features", that is returned in place of the logits, of the whole image;
                a map of features is averaged over its cells.
            batch_size: changes no result but by rounding; None: as large as is sensible.
            most: number of images there are; the batch is no larger.
        """
        self._mesh = make_mesh()
        size = subject.square.size
        wanted = batch_size or max(min(_LARGEST, _PIXELS // size**2), 1)
        self.batch_size = -(-min(wanted, most or wanted) // self._mesh.size) * self._mesh.size
        self.square = subject.square
        self._members = [on_every_device(self._mesh, jax.device_get(each)) for each in subject.members]
        apply_fn = accelerate(subject.model.apply, platform_of(self._mesh) if runtime.tuned() else "")
        if layer is None:
            apply_fn = over_views(apply_fn, parse_views(subject.views if views is None else views))
        else:
            apply_fn = _at_layer(apply_fn, layer)

        def forward(variables: Variables, image: Array) -> Array:
            return apply_fn(variables, subject.whitened(image), train=False)

        self._forward = jax.jit(forward, out_shardings=replicated(self._mesh))

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Returns logits, (members, batch, classes) float32, or features, (members, batch, features) float32.

        Args:
            image: (batch, size, size, channels) uint8, of the batch size.
        """
        placed = jax.device_put(image, over_batch(self._mesh))
        found = [in_turn(self._mesh, self._forward(variables, placed)) for variables in self._members]
        return np.stack(jax.device_get(found))

    def over(self, source: Source, *, what: str = "images") -> Iterator[tuple[HostBatch, np.ndarray]]:
        """Yields every batch of a source, and its logits, in order. The last batch is padded: see its `mask`.

        Args:
            source: of the images.
            what: is being counted, for the progress bar.
        """
        for batch in batches_of(source, self.square, self.batch_size, what=what):
            yield batch, self(batch["image"])


def batches_of(source: Source, square: ToSquare, batch_size: int, *, what: str) -> Iterator[HostBatch]:
    """Yields the batches of a source in order; the last one is padded.

    A progress bar on a terminal's standard error is shown if it takes longer than two seconds.

    Args:
        source: of the images.
        square: makes squares of them.
        batch_size: number of images in a batch.
        what: is being counted, for the progress bar.
    """
    batches = EvalBatches(source, batch_size, square, slice(None))
    reader = Reader(batches, workers=0, place=lambda batch: batch)
    try:
        for number in _tracked(range(len(batches)), what, batch_size, len(source.labels)):
            yield reader.get(number)
    finally:
        reader.close()


def _at_layer(apply_fn: ApplyFn, layer: str) -> Callable[..., Array]:
    """Returns `apply_fn(variables, image, train)` -> the output of a stage, (batch, features) float32."""

    def apply(variables: Variables, image: Array, *, train: bool) -> Array:
        _, sown = apply_fn(variables, image, train=train, mutable=["intermediates"])
        stages = stage_outputs(sown)
        if not stages:
            raise UserError(
                f"the net has no stage output {layer!r}: a module of your own makes one by "
                f"self.sow('intermediates', {layer!r}, x)"
            )
        if layer not in stages:
            raise unknown_word("layer", layer, stages)
        found = stages[layer]
        return jnp.mean(found, axis=tuple(range(1, found.ndim - 1))).astype(jnp.float32)

    return apply


def _tracked(numbers: range, what: str, each: int, total: int) -> Iterator[int]:
    """Yields numbers of batches, and shows on a terminal how many examples are done, if it takes a while."""
    with waiting(what, total) as reached:
        for number in numbers:
            yield number
            reached((number + 1) * each)


def collect(
    forward: Forward, source: Source, *, what: str = "images"
) -> tuple[np.ndarray, np.ndarray, Mapping[int, str]]:
    """Returns the logits (members, examples, classes) float32 and the places (examples,) int64 of readable images.

    Also returned are the names of the others, by place.
    """
    logits: list[np.ndarray] = []
    places: list[np.ndarray] = []
    start = 0
    for batch, found in forward.over(source, what=what):
        good = np.flatnonzero(batch["mask"] > 0)
        logits.append(found[:, good])
        places.append(start + good)
        start += len(batch["mask"])
    kept = np.concatenate(places)
    missing = sorted(set(range(len(source.labels))) - set(kept.tolist()))
    return np.concatenate(logits, axis=1), kept, {place: source.name(place) for place in missing}

"""The pipeline of data sets that are too large for the device. It decodes and crops on the host, step by step."""

from collections.abc import Callable, Mapping

import jax
import numpy as np

from jaxcnn.data.feed.batches import EvalBatches, HostBatch, TrainBatches
from jaxcnn.data.feed.feistel import HostOrder
from jaxcnn.data.feed.order import round_keys
from jaxcnn.data.feed.pipeline import Feed, Recipe
from jaxcnn.data.feed.reader import Reader
from jaxcnn.data.read.crops import Crop, ToSquare
from jaxcnn.data.read.decode import UnreadableError
from jaxcnn.data.read.hold import unreadable
from jaxcnn.data.read.records import Source, Subset, mixing_order
from jaxcnn.types import Array, Batch


class StreamPipeline:
    """Moves uint8 images to the device batch by batch. Augmentation and whitening are done there, inside the step."""

    def __init__(
        self,
        sources: Mapping[str, Source],
        recipe: Recipe,
        *,
        crop: Crop,
        eval_crop: ToSquare,
        steps: int,
        workers: int = 0,
        skip: bool = False,
        process: tuple[int, int] = (0, 1),
        put: Callable[[Feed], Feed] = jax.device_put,
    ) -> None:
        """Makes a pipeline; reading starts at the first `feed`.

        Args:
            sources: by split; "train" is the training split.
            recipe: order, augmentation and whitening.
            crop: makes the squares of training.
            eval_crop: makes the squares of evaluation.
            steps: of the run.
            workers: number of processes that decode for training; 0 decodes in threads of this process, as evaluation
                always does.
            skip: leaves out unreadable images; in training the next readable image replaces one.
            process: number of this process, and number of processes: each makes its rows of every batch.
            put: moves this process's rows of a tree of arrays to the devices.
        """
        self.recipe, self._sources, self._eval_crop = recipe, sources, eval_crop
        self._skip, self._process, self._put = skip, process, put
        self.skipped: dict[str, set[str]] = {}
        self._eval_readers: dict[tuple[str, int, bool], Reader] = {}
        epochs = steps * recipe.batch_size // (recipe.examples * recipe.repeats) + 1
        keys = jax.jit(round_keys)(np.uint32(recipe.seed), np.arange(epochs, dtype=np.uint32))
        batches = TrainBatches(
            source=sources["train"],
            order=HostOrder(np.asarray(keys), recipe.examples, recipe.repeats),
            seed=recipe.seed,
            batch_size=recipe.batch_size,
            crop=crop,
            rows=_rows(recipe.batch_size, process),
            steps=steps,
        )
        self._reader = self._read(batches, sources["train"], "train", workers)

    @property
    def sizes(self) -> dict[str, int]:
        """Number of examples of each split."""
        return {split: len(source.labels) for split, source in self._sources.items()}

    def evaluated(self, split: str) -> int:
        """Returns the number of examples that a whole pass over a split must count: those that could be read."""
        return self.sizes[split] - len(self.skipped.get(split, ()))

    def feed(self, step: int) -> Feed:
        """Returns `image` (batch, size, size, channels) uint8 and `label` (batch,) int32 of a step.

        Raises:
            UserError: for an image that cannot be read, unless they are skipped.
        """
        return self._reader.get(step)

    def train_batch(self, feed: Feed, step: Array, seed: Array | None = None) -> Batch:
        """Returns, traced, the `image` and `label` of a step (int32 scalar), augmented and whitened.

        The feed was read with the recipe's seed, so `seed` must be that seed or None.
        """
        draw, _ = self.recipe.draw(step, seed)
        return self.recipe.train(draw, feed["image"], feed["label"])

    def eval_feed(self, split: str, start: int, batch_size: int, *, mixed: bool = False) -> Feed:
        """Returns `image`, `label` and `mask` of `batch_size` examples of a split from `start` on.

        `start` must be a multiple of `batch_size`. If `mixed`, examples are counted in `mixing_order`.

        Raises:
            UserError: for an image that cannot be read, unless they are skipped.
        """
        key = split, batch_size, mixed
        if key not in self._eval_readers:
            source = self._sources[split]
            if mixed:
                source = Subset(source, mixing_order(len(source.labels)))
            batches = EvalBatches(source, batch_size, self._eval_crop, _rows(batch_size, self._process))
            # In threads: starting workers would take longer than most passes, and keeping them would take memory.
            self._eval_readers[key] = self._read(batches, source, split, 0)
        return self._eval_readers[key].get(start // batch_size)

    def eval_batch(self, feed: Feed, start: Array, batch_size: int) -> Batch:  # noqa: ARG002
        """Returns, traced, `image`, `label` and `mask` of the feed, whitened."""
        return {**feed, "image": self.recipe.whiten(feed["image"])}

    def close(self) -> None:
        """Ends the threads and processes that prepare batches; a later `feed` starts them anew."""
        for reader in (self._reader, *self._eval_readers.values()):
            reader.close()

    def _read(self, batches: TrainBatches | EvalBatches, source: Source, split: str, workers: int) -> Reader:
        def place(batch: HostBatch) -> Feed:
            self._notice(source, split, batch.pop("unreadable"))
            return self._put(batch)

        return Reader(batches, workers=workers, place=place)

    def _notice(self, source: Source, split: str, examples: np.ndarray) -> None:
        for example in set(examples.tolist()) - {-1}:
            if not self._skip:
                raise unreadable(source, example, _reason(source, example, self._eval_crop))
            self.skipped.setdefault(split, set()).add(source.name(example))


def _reason(source: Source, example: int, crop: ToSquare) -> UnreadableError:
    try:
        crop(source[example], (), np.empty((crop.size, crop.size, crop.channels), np.uint8))
    except UnreadableError as error:
        return error
    return UnreadableError("it can now, but could not before")


def _rows(batch_size: int, process: tuple[int, int]) -> slice:
    number, processes = process
    return slice(number * batch_size // processes, (number + 1) * batch_size // processes)

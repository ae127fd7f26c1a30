"""Batches by number, made on the host. This runs in worker processes, so it imports no JAX.

The examples of a batch and their random crops are functions of (seed, epoch, place within the epoch). Any process can
therefore make any batch, at any time and in any order.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import DTypeLike

from jaxcnn.data.feed.feistel import HostOrder
from jaxcnn.data.read.ahead import fetched
from jaxcnn.data.read.crops import DRAWS, Crop, ToSquare
from jaxcnn.data.read.decode import Encoded, UnreadableError
from jaxcnn.data.read.records import Source
from jaxcnn.errors import UserError

HostBatch = dict[str, np.ndarray]
"""`image` (rows, size, size, channels) uint8; `label` (rows,) int32; `mask` (rows,) float32, in evaluation 1 for an
example and 0 for padding; `unreadable` (rows,) int64, the index of an example that could not be read, else -1."""
_TRIES = 100
_ALIGNMENT = 64  # bytes
_CROP = 1  # of the key of host crops: another use of Philox must take another number


@dataclasses.dataclass(frozen=True, eq=False)
class TrainBatches:
    """The training batches of a run. They have the same examples as those of `DevicePipeline`."""

    source: Source
    order: HostOrder
    seed: int
    batch_size: int
    """Examples in a batch, over all processes."""
    crop: Crop
    rows: slice
    """The rows of a batch that this process makes."""
    steps: int

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> HostBatch:
        """Returns this process's rows of a step's batch. An unreadable image is replaced by the next readable one.

        Raises:
            UserError: for 100 unreadable images in a row.
        """
        position = np.arange(step * self.batch_size, (step + 1) * self.batch_size)[self.rows]
        order = self.order.example_at(position.astype(np.uint32))
        places = list(zip(*(each.tolist() for each in order), strict=True))
        batch, draws = _empty(len(position), self.crop), CropDraws(self.seed)
        images = fetched(self.source, [example for _, _, example in places])
        for row, ((epoch, place, example), image) in enumerate(zip(places, images, strict=True)):
            self._fill(batch, row, example, image, draws(epoch, place))
        return batch

    def _fill(
        self, batch: HostBatch, row: int, example: int, image: Callable[[], Encoded], uniform: Sequence[float]
    ) -> None:
        """Writes an example into a batch; the next readable one takes the place of one that cannot be read.

        Args:
            batch: to write to.
            row: of the batch.
            example: number of the example.
            image: returns its encoded image.
            uniform: random numbers for the crop.
        """
        labels = self.source.labels
        for number in range(example, example + _TRIES):
            found = number % len(labels)
            try:
                self.crop(image() if number == example else self.source[found], uniform, batch["image"][row])
            except UnreadableError:
                batch["unreadable"][row] = example
                continue
            batch["label"][row] = labels[found]
            return
        raise UserError(f"{_TRIES} images in a row cannot be read, from {self.source.name(example)} on")


@dataclasses.dataclass(frozen=True, eq=False)
class EvalBatches:
    """The batches of one pass over a split, in order; the last one is padded."""

    source: Source
    batch_size: int
    """Examples in a batch, over all processes."""
    crop: ToSquare
    rows: slice
    """The rows of a batch that this process makes."""

    def __len__(self) -> int:
        return -(-len(self.source.labels) // self.batch_size)

    def __getitem__(self, number: int) -> HostBatch:
        """Returns this process's rows of a batch. Padding and unreadable images are black, with a mask of 0."""
        position = np.arange(number * self.batch_size, (number + 1) * self.batch_size)[self.rows]
        batch, labels = _empty(len(position), self.crop), self.source.labels
        batch["image"][:] = 0
        examples = position[position < len(labels)].tolist()
        for row, (example, image) in enumerate(zip(examples, fetched(self.source, examples), strict=True)):
            try:
                self.crop(image(), (), batch["image"][row])
            except UnreadableError:
                batch["unreadable"][row] = example
                continue
            batch["label"][row], batch["mask"][row] = labels[example], 1
        return batch


class CropDraws:
    """Random numbers for the crops of a run. They are raw output of Philox, which is the same in every NumPy."""

    def __init__(self, seed: int) -> None:
        self._philox = np.random.Philox(key=[seed, _CROP])
        self._state = self._philox.state

    def __call__(self, epoch: int, place: int) -> list[float]:
        """Returns the random numbers of one crop: `DRAWS` of them, uniform in [0, 1)."""
        self._state["state"]["counter"][:] = 0, place, epoch, 0  # a new generator would take four times as long
        self._philox.state = self._state
        return ((self._philox.random_raw(DRAWS) >> np.uint64(11)) * 2.0**-53).tolist()


def aligned(shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """Returns an uninitialised array, aligned to 64 bytes: JAX on a CPU uses it in place, and copies others."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


def _empty(rows: int, crop: Crop) -> HostBatch:
    return {
        "image": aligned((rows, crop.size, crop.size, crop.channels), np.uint8),
        "label": np.zeros(rows, np.int32),
        "mask": np.zeros(rows, np.float32),
        "unreadable": np.full(rows, -1, np.int64),
    }

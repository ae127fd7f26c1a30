"""Reads batches ahead of their use: worker processes make them, and a thread moves them to the device."""

import gc
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
from absl import flags

from jaxcnn.data.feed.batches import EvalBatches, HostBatch, TrainBatches, aligned
from jaxcnn.errors import UserError
from jaxcnn.runtime import hide_notes

AHEAD = 2
"""Batches that are read ahead to the device. Workers hold some more."""

_ENDED = "terminated unexpectedly"  # in grain's message about a worker that ended


class Reader:
    """Returns batches by number. It is fast if numbers ascend one by one; reading may begin at any number."""

    def __init__(self, batches: TrainBatches | EvalBatches, *, workers: int, place: Callable[[HostBatch], Any]) -> None:
        """Makes a reader; threads and processes start at the first `get`.

        Args:
            batches: the batches to read.
            workers: number of processes that make batches; 0 makes them in threads of this process.
            place: moves a batch to the device; called in a thread.
        """
        self._batches, self._workers, self._place = batches, workers, place
        self._waiting: deque[Future[Any]] = deque()
        self._next = -1  # number of the first batch in `_waiting`
        self._source: Iterator[HostBatch] | None = None
        self._thread: ThreadPoolExecutor | None = None

    def get(self, number: int) -> Any:
        """Returns what `place` returns for a batch. The last batch closes the reader.

        Raises:
            IndexError: for a number without a batch.
            UserError: from `place`, or for a worker process that was killed.
        """
        if not 0 <= number < len(self._batches):
            raise IndexError(f"batch {number} of {len(self._batches)}")
        if self._source is None or number != self._next:
            self._open(number)
        self._prepare()
        try:
            batch = self._waiting.popleft().result()
        except BaseException:
            self.close()
            raise
        self._next += 1
        self._prepare()
        if self._next == len(self._batches):
            self.close()
        return batch

    def close(self) -> None:
        """Ends threads and worker processes."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
        if self._source is not None and hasattr(self._source, "close"):
            self._source.close()
        self._waiting.clear()
        self._source = self._thread = None
        if self._workers:
            gc.collect()  # grain leaves the last batch in a reference cycle; Python warns of its shared memory at exit

    def _open(self, number: int) -> None:
        self.close()
        self._source = _iterate(self._batches, number, self._workers)
        self._thread = ThreadPoolExecutor(1, "jaxcnn-reader")
        self._next = number

    def _prepare(self) -> None:
        while len(self._waiting) < min(AHEAD, len(self._batches) - self._next):
            assert self._thread is not None
            assert self._source is not None
            self._waiting.append(self._thread.submit(self._make, self._source))

    def _make(self, source: Iterator[HostBatch]) -> Any:
        batch = self._of_workers(source) if self._workers else next(source)
        return self._place(batch)

    def _of_workers(self, source: Iterator[HostBatch]) -> HostBatch:
        try:
            batch = next(source)
        except RuntimeError as error:
            if _ENDED not in str(error):
                raise
            raise UserError(
                "a process that decodes images was killed, most likely because memory ran out: make data.workers, now "
                f"{self._workers}, smaller; 0 decodes in threads of the training process"
            ) from None
        # Copied, so that their shared memory is free again at once: a device may hold on to a batch.
        return {name: _copy(value) for name, value in batch.items()}


def _copy(value: np.ndarray) -> np.ndarray:
    copied = aligned(value.shape, value.dtype)
    copied[...] = value
    return copied


def _iterate(batches: TrainBatches | EvalBatches, start: int, workers: int) -> Iterator[HostBatch]:
    import grain  # takes a second to import, and data on the device does not need it

    if not flags.FLAGS.is_parsed():  # a program without flags of its own does not parse them, and grain reads some
        flags.FLAGS.mark_as_parsed()
    threads = 0 if workers else min(os.cpu_count() or 1, 16)
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=threads)
    data = grain.MapDataset.source(batches)[start:].to_iter_dataset(options)
    processes = grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=1)
    return iter(data.mp_prefetch(processes, worker_init_fn=_begin) if workers else data)


def _begin(worker: int, workers: int) -> None:  # noqa: ARG001
    """Prepares a worker process: it decodes in one thread, and ends when its parent ends."""
    cv2.setNumThreads(0)
    hide_notes()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()  # returns also when the parent was killed
        os._exit(1)

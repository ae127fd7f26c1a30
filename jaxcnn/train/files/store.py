"""The checkpoints of a folder as one process reads and writes them, by orbax, with a checksum of every array.

The latest and the best are kept. A process that is alone writes them in a thread of its own, so that training waits for
nothing but the copy of the state; several that write together leave that to orbax.
"""

import contextlib
import errno
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import preservation_policy as policy

from jaxcnn.checkpointing import quiet, reason
from jaxcnn.errors import UnsavedError
from jaxcnn.train.files.checksums import checksums
from jaxcnn.train.files.held import held
from jaxcnn.train.files.reading import NOT_EVALUATED, SCORE, Reader, rank, score_of

LATEST = 2
"""Number of the latest checkpoints that are kept: if the last one is damaged, there is another."""
CLEARING = 2.0
"""Time limit in seconds for removing the files of a failed write. What is left then is removed at the next start."""


class _Best(policy.PreservationPolicy):
    """Keeps the best checkpoint, of equal ones the first, and those whose scores cannot be read."""

    def should_preserve(
        self, checkpoints: Sequence[policy.PolicyCheckpointInfo], *, context: policy.PreservationContext
    ) -> list[bool]:
        del context
        ranks = {each.step: rank(each.step, score_of(each.metrics)) for each in checkpoints if each.metrics is not None}
        best = max(ranks, key=ranks.__getitem__, default=None)
        return [each.metrics is None or each.step == best for each in checkpoints]


class Store(Reader):
    """A folder of checkpoints, named by their steps, to which states are added."""

    def __init__(
        self,
        path: Path,
        *,
        name: str | None = None,
        read_only: bool = False,
        removed: str | None = None,
        processes: ocp.options.MultiprocessingOptions | None = None,
    ) -> None:
        """Opens a folder.

        Args:
            path: of the folder.
            name: of the folder in messages, if not its path.
            read_only: changes nothing, since another process may be writing.
            removed: name of a folder beside the checkpoints, to which those that are not kept are moved; None removes
                them.
            processes: those that read and write checkpoints, if not all of them together.

        Raises:
            UserError: if the folder cannot be used.
        """
        alone = jax.process_count() == 1 or processes is not None
        keep = [policy.LatestN(LATEST), _Best()]
        options = ocp.CheckpointManagerOptions(
            preservation_policy=policy.AnyPreservationPolicy(keep),
            best_fn=score_of,  # without it metrics are not written
            cleanup_tmp_directories=not read_only,
            create=not read_only and processes is None,  # orbax makes no folder if only some processes write
            read_only=read_only,
            todelete_subdir=None if read_only else removed,
            save_interval_steps=0 if read_only else 1,
            enable_async_checkpointing=not alone,
            multiprocessing_options=processes or ocp.options.MultiprocessingOptions(),
        )
        self._writing: int | None = None
        self._broken: list[int | None] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint") if alone else None
        self._write_under_way: Future[None] | None = None
        super().__init__(path, options, name=name)
        self._silence = contextlib.ExitStack()
        if not alone:  # orbax writes in threads of its own, at any time
            self._silence.enter_context(quiet())

    def close(self) -> None:
        """Waits for unfinished writes, and removes the files of failed ones."""
        with contextlib.suppress(UnsavedError):  # nobody is left who could write it again
            self.settle()
        with self._silence, contextlib.suppress(Exception), quiet():  # a failed write was already reported
            self._manager.close()
        if self._thread:
            self._thread.shutdown()
        for step in self._broken:
            self._clear(step)

    @property
    def writing(self) -> int | None:
        """The step whose checkpoint is being written; None if there is none, or `settle` has found it written."""
        return self._writing

    def save(self, step: int, state: Any, score: float = NOT_EVALUATED) -> None:
        """Begins to write `state` and its checksums; returns before they are written, as of `Checkpoints.save`."""
        self.settle()
        self._writing = step
        if self._thread:
            fetch = held(state)
            self._write_under_way = self._thread.submit(lambda: self._write(step, fetch(), score))
            return
        try:
            self._write(step, state, score)
        except Exception as error:  # orbax raises many kinds
            raise self._failed(error) from error

    def _write(self, step: int, state: Any, score: float) -> None:
        with quiet():
            if not self._path.is_dir():  # orbax would make a new folder, without the other checkpoints
                raise FileNotFoundError(errno.ENOENT, "the folder is gone")
            items = ocp.args.Composite(state=ocp.args.PyTreeSave(state), checksums=ocp.args.JsonSave(checksums(state)))
            self._manager.save(step, args=items, metrics={SCORE: max(score, NOT_EVALUATED)})

    def settle(self, *, wait: bool = True) -> None:
        """Waits for the current write, as of `Checkpoints.settle`."""
        if self._writing is None or (not wait and self._is_open()):
            return
        try:
            if self._write_under_way:
                self._write_under_way.result()
            self._manager.wait_until_finished()
        except Exception as error:
            raise self._failed(error) from error
        self._writing = None

    def _is_open(self) -> bool:
        """Returns whether the current write is not finished."""
        if self._write_under_way:
            return not self._write_under_way.done()
        return self._manager.is_saving_in_progress()

    def _failed(self, error: Exception) -> UnsavedError:
        """Removes the files of a failed write; returns the error that says so."""
        step, self._writing = self._writing, None
        with contextlib.suppress(Exception):  # the manager may still be writing
            self._manager.wait_until_finished()
        self._clear(step)
        self._broken.append(step)
        return UnsavedError(f"the checkpoint {self._called(step)} cannot be written: {reason(error)}")

    def _clear(self, step: int | None) -> None:
        """Removes the files of an unfinished checkpoint. Abandoned threads of orbax may still be adding some."""
        until = time.monotonic() + CLEARING
        while parts := list(self._path.glob(f"{step}.orbax-checkpoint-tmp*")):
            for part in parts:
                shutil.rmtree(part, ignore_errors=True)
            if time.monotonic() > until:
                return  # the next start removes them
            time.sleep(0.01)

"""The checkpoints of a folder as one process reads and writes them, by orbax, with a checksum of every array.

The latest and the best are kept. A process that is alone writes them in a thread of its own, so that training waits for
nothing but the copy of the state; several that write together leave that to orbax.
"""

import contextlib
import errno
import os
import re
import shutil
import time
from collections.abc import Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.sharding import Sharding
from orbax.checkpoint.checkpoint_managers import preservation_policy as policy

from jaxcnn.errors import Fault, UserError
from jaxcnn.quiet import quiet
from jaxcnn.train.files.checksums import changed, checksums
from jaxcnn.train.files.earlier import STATISTICS, EarlierState

NOT_EVALUATED = -float(np.finfo(np.float32).max)
"""The score of a checkpoint whose step was not evaluated: worse than any."""
_SCORE, _ACCURACY = "score", "val/accuracy"
"""Key of the score in a checkpoint, and its key in earlier versions, where it always was the accuracy."""
LATEST = 2
"""Number of the latest checkpoints that are kept: if the last one is damaged, there is another."""
CLEARING = 2.0
"""Time limit in seconds for removing the files of a failed write. What is left then is removed at the next start."""


class _Manager(ocp.CheckpointManager):
    """Orbax's manager, without its calls of JAX's preemption sync point.

    JAX counts these calls, and the loop makes them.
    """

    def reached_preemption(self, step: int) -> bool:
        """Returns False."""
        del step
        return False

    def metrics(self, step: int) -> Any:
        """Returns the metrics of a step, or None if they cannot be read. The checkpoint itself may be good."""
        try:
            found = super().metrics(step)
        except Exception:  # damaged JSON raises many kinds
            return None
        return found if isinstance(found, dict) and isinstance(_score(found), int | float) else None


class Store:
    """A folder of checkpoints, named by their steps."""

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
        keep = [policy.LatestN(LATEST), policy.BestN(n=1, get_metric_fn=_score)]
        options = ocp.CheckpointManagerOptions(
            preservation_policy=policy.AnyPreservationPolicy(keep),
            best_fn=_score,  # without it metrics are not written
            cleanup_tmp_directories=not read_only,
            create=not read_only and processes is None,  # orbax makes no folder if only some processes write
            read_only=read_only,
            todelete_subdir=removed,
            save_interval_steps=0 if read_only else 1,
            enable_async_checkpointing=not alone,
            multiprocessing_options=processes or ocp.options.MultiprocessingOptions(),
        )
        self._path, self._name = path, name or str(path)
        self._writing: int | None = None
        self._broken: list[int | None] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint") if alone else None
        self._write_under_way: Future[None] | None = None
        try:
            with quiet():
                self._manager = _Manager(path, options=options)
        except OSError as error:
            raise UserError(f"the checkpoints in {self._name} cannot be used: {error.strerror}") from None

    def close(self) -> None:
        """Waits for unfinished writes, and removes the files of failed ones."""
        self.settle()  # close() would raise what it returns
        with contextlib.suppress(Exception), quiet():  # a failed write was already reported
            self._manager.close()
        if self._thread:
            self._thread.shutdown()
        for step in self._broken:
            self._clear(step)

    def steps(self) -> list[int]:
        """Returns the steps that can be restored, in ascending order, without one that is still being written."""
        return sorted(step for step in self._manager.all_steps() if self.folder(step).is_dir())

    def best(self) -> float:
        """Returns the best score among the checkpoints, or `NOT_EVALUATED`."""
        return max(map(self.score, self.steps()), default=NOT_EVALUATED)

    def score(self, step: int) -> float:
        """Returns the score of the state of a step, or `NOT_EVALUATED`, also where its record cannot be read."""
        try:
            return float(_score(self._manager.metrics(step)))
        except Exception:  # whatever a damaged record leads to; `restore` is what names it
            return NOT_EVALUATED

    @property
    def writing(self) -> int | None:
        """The step whose checkpoint is being written; None if there is none, or `settle` has found it written."""
        return self._writing

    def save(self, step: int, state: Any, score: float = NOT_EVALUATED) -> str:
        """Begins to write `state` and its checksums; returns before they are written, as of `Checkpoints.save`.

        On a CPU the copy of the state is none: the arrays stay where they are while a thread reads them, and XLA, which
        would write the next state over them, finds that out and writes it elsewhere.
        """
        trouble = self.settle()
        self._writing = step
        if self._thread:
            copy = jax.tree.map(np.asarray, jax.device_get(state))
            self._write_under_way = self._thread.submit(self._write, step, copy, score)
            return trouble
        try:
            self._write(step, state, score)
        except Exception as error:  # orbax raises many kinds
            return self._failed(error)
        return trouble

    def _write(self, step: int, state: Any, score: float) -> None:
        with quiet():
            if not self._path.is_dir():  # orbax would make a new folder, without the other checkpoints
                raise FileNotFoundError(errno.ENOENT, "the folder is gone")
            items = ocp.args.Composite(state=ocp.args.PyTreeSave(state), checksums=ocp.args.JsonSave(checksums(state)))
            self._manager.save(step, args=items, metrics={_SCORE: max(score, NOT_EVALUATED)})

    def settle(self, *, wait: bool = True) -> str:
        """Waits for the current write; returns a line about its error, else "".

        Without `wait`, it returns at once if the write is not finished.
        """
        if self._writing is None or (not wait and self._is_open()):
            return ""
        try:
            if self._write_under_way:
                self._write_under_way.result()
            self._manager.wait_until_finished()
        except Exception as error:
            return self._failed(error)
        self._writing = None
        return ""

    def _is_open(self) -> bool:
        """Returns whether the current write is not finished."""
        if self._write_under_way:
            return not self._write_under_way.done()
        return self._manager.is_saving_in_progress()

    def _failed(self, error: Exception) -> str:
        """Removes the files of a failed write; returns the line about it."""
        step, self._writing = self._writing, None
        with contextlib.suppress(Exception):  # the manager may still be writing
            self._manager.wait_until_finished()
        self._clear(step)
        self._broken.append(step)
        return f"the checkpoint {self._called(step)} cannot be written: {_reason(error)}"

    def _clear(self, step: int | None) -> None:
        """Removes the files of an unfinished checkpoint. Abandoned threads of orbax may still be adding some."""
        until = time.monotonic() + CLEARING
        while parts := list(self._path.glob(f"{step}.orbax-checkpoint-tmp*")):
            for part in parts:
                shutil.rmtree(part, ignore_errors=True)
            if time.monotonic() > until:
                return  # the next start removes them
            time.sleep(0.01)

    def misfit(self, abstract_state: Any, step: int) -> str:
        """Returns a text about an array that differs between a checkpoint and `abstract_state`, or ""."""
        tree = self._metadata(step)
        if tree is None:
            return ""
        found, wanted = _shapes(tree), _shapes(EarlierState.of(abstract_state) if _is_earlier(tree) else abstract_state)
        differ = sorted(path for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path))
        return f"{differ[0]} was {found.get(differ[0])} and is {wanted.get(differ[0])}" if differ else ""

    def _metadata(self, step: int) -> Any:
        """Returns the tree of a step's array metadata; None if it is damaged, which `restore` then reports."""
        try:
            with quiet(), ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as reader:
                return reader.metadata(self.folder(step) / "state").item_metadata.tree
        except Exception:  # a damaged checkpoint raises many kinds
            return None

    def restore(self, abstract_state: Any, sharding: Sharding, step: int) -> Any:
        """Returns the state of `step` on the devices of `sharding`, as of `Checkpoints.restore`."""
        earlier = _is_earlier(self._metadata(step))
        target = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
            EarlierState.of(abstract_state) if earlier else abstract_state,
        )
        arguments = ocp.checkpoint_utils.construct_restore_args(target)
        items = ocp.args.Composite(
            state=ocp.args.PyTreeRestore(target, restore_args=arguments), checksums=ocp.args.JsonRestore()
        )
        where = self._called(step)
        try:
            with quiet():
                found = self._manager.restore(step, args=items)
        except (MemoryError, jax.errors.JaxRuntimeError) as error:  # a fault of the machine: the checkpoint may be good
            if jax.process_count() > 1:
                raise  # `hosts.run` ends all processes
            raise Fault(f"the checkpoint {where} cannot be read now, and is left as it is: {_reason(error)}") from error
        except Exception as error:  # orbax raises a bare Exception for damaged files
            raise UserError(f"the checkpoint {where} cannot be restored: {_first_line(error)}") from error
        self._check(where, found.checksums, checksums(found.state))
        return found.state.now() if earlier else found.state

    def read(self, step: int, names: Collection[str] | None = None) -> dict[str, Any]:
        """Returns parts of the state of a step as they were saved, by name, as nested dicts of arrays of NumPy.

        Nothing else need be known of the state, and its other parts are not read. None: all are.

        Raises:
            UserError: where the checkpoint cannot be read, or is not what was saved.
        """
        where, tree = self._called(step), self._metadata(step)
        if tree is None:
            raise UserError(f"the checkpoint {where} cannot be restored: its metadata are damaged")
        wanted = {name: part for name, part in tree.items() if names is None or name in names}
        arguments = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), wanted)
        try:
            with quiet(), ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as reader:
                restore = ocp.args.PyTreeRestore(wanted, restore_args=arguments, partial_restore=True)
                found = reader.restore(self.folder(step) / "state", args=restore)
            saved = self._manager.restore(step, args=ocp.args.Composite(checksums=ocp.args.JsonRestore())).checksums
        except Exception as error:  # orbax raises a bare Exception for damaged files
            raise UserError(f"the checkpoint {where} cannot be restored: {_first_line(error)}") from error
        kept = {path: digest for path, digest in saved.items() if names is None or path.partition("/")[0] in names}
        self._check(where, kept, checksums(found))
        return found

    def _check(self, where: str, saved: Mapping[str, str], found: Mapping[str, str]) -> None:
        if differ := changed(saved, found):
            raise UserError(f"the checkpoint {where} is damaged: {differ[0]} is not what was saved")

    def reload(self) -> None:
        """Reads the list of checkpoints again."""
        self._manager.reload()

    def folder(self, step: int | None) -> Path:
        """Returns the folder of a step."""
        return self._path / str(step)

    def _called(self, step: int | None) -> str:
        """Returns the name of a step's folder in messages."""
        return f"{self._name}/{step}"


def _score(record: Mapping[str, Any]) -> Any:
    """Returns the score that is recorded of a checkpoint."""
    return record.get(_SCORE, record.get(_ACCURACY, NOT_EVALUATED))


def _is_earlier(tree: Any) -> bool:
    """Returns whether a checkpoint with this tree was written before the state had collections."""
    return isinstance(tree, dict) and STATISTICS in tree


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): tuple(leaf.shape) for path, leaf in leaves}


def _reason(error: Exception) -> str:
    """Returns the reason of an error: the operating system's text if there is one."""
    number = re.search(r"os_error_code='(\d+)'", str(error))
    if number:
        return os.strerror(int(number[1]))
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return _first_line(error)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]

"""Reads the checkpoints of a folder: which there are, how good each is, and the states in them."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.sharding import Sharding

from jaxcnn.checkpointing import quiet, reason, tree_handler
from jaxcnn.errors import Fault, UserError
from jaxcnn.layers.variables import STATISTICS, by_path
from jaxcnn.train.files.checksums import changed, checksums
from jaxcnn.train.files.earlier import EarlierState

NOT_EVALUATED = -float(np.finfo(np.float32).max)
"""The score of a checkpoint whose step was not evaluated: worse than any."""
SCORE, _ACCURACY = "score", "val/accuracy"
"""Key of the score in a checkpoint, and its key in earlier versions, where it always was the accuracy."""


def rank(step: int, score: float) -> tuple[float, int]:
    """Returns what is largest for the best checkpoint: its score, of equal ones the first; unscored, the last."""
    return score, -step if score > NOT_EVALUATED else step


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
        return found if isinstance(found, dict) and isinstance(score_of(found), int | float) else None


class Reader:
    """A folder of checkpoints, named by their steps, of which nothing is changed."""

    def __init__(self, path: Path, options: ocp.CheckpointManagerOptions, *, name: str | None = None) -> None:
        """Opens a folder.

        Args:
            path: of the folder.
            options: of orbax's manager.
            name: of the folder in messages, if not its path.

        Raises:
            UserError: if the folder cannot be used.
        """
        self._path, self._name = path, name or str(path)
        self._trees: dict[int, Any] = {}
        handlers, arrays = ocp.handlers.DefaultCheckpointHandlerRegistry(), tree_handler()
        for arguments in (ocp.args.PyTreeSave, ocp.args.PyTreeRestore):
            handlers.add(None, arguments, arrays)
        try:
            with quiet():
                self._manager = _Manager(path, options=options, handler_registry=handlers)
        except OSError as error:
            raise UserError(f"the checkpoints in {self._name} cannot be used: {error.strerror}") from None

    def steps(self) -> list[int]:
        """Returns the steps that can be restored, in ascending order, without one that is still being written."""
        return sorted(step for step in self._manager.all_steps() if self.folder(step).is_dir())

    def best(self) -> float:
        """Returns the best score among the checkpoints, or `NOT_EVALUATED`."""
        return max(map(self.score, self.steps()), default=NOT_EVALUATED)

    def score(self, step: int) -> float:
        """Returns the score of the state of a step, or `NOT_EVALUATED`, also where its record cannot be read."""
        try:
            return float(score_of(self._manager.metrics(step)))
        except Exception:  # whatever a damaged record leads to; `restore` is what names it
            return NOT_EVALUATED

    def check_fit(self, abstract_state: Any, step: int) -> None:
        """Raises `UserError` if the state of a step has other arrays than `abstract_state`, and names the first."""
        tree = self._metadata(step)
        if tree is None:
            return  # `restore` says that it is damaged
        found, wanted = _shapes(tree), _shapes(EarlierState.of(abstract_state) if _is_earlier(tree) else abstract_state)
        differ = sorted(path for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path))
        if differ:
            misfit = f"{differ[0]} was {found.get(differ[0])} and is {wanted.get(differ[0])}"
            raise UserError(f"the config does not fit the state that is saved: {misfit}; use another --workdir")

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
            raise Fault(f"the checkpoint {where} cannot be read now, and is left as it is: {reason(error)}") from error
        except Exception as error:  # orbax raises a bare Exception for damaged files
            raise UserError(f"the checkpoint {where} cannot be restored: {reason(error)}") from error
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
            with quiet(), ocp.Checkpointer(tree_handler()) as reader:
                restore = ocp.args.PyTreeRestore(wanted, restore_args=arguments, partial_restore=True)
                found = reader.restore(self.folder(step) / "state", args=restore)
            saved = self._manager.restore(step, args=ocp.args.Composite(checksums=ocp.args.JsonRestore())).checksums
        except Exception as error:  # orbax raises a bare Exception for damaged files
            raise UserError(f"the checkpoint {where} cannot be restored: {reason(error)}") from error
        kept = {path: digest for path, digest in saved.items() if names is None or path.partition("/")[0] in names}
        self._check(where, kept, checksums(found))
        return found

    def reload(self) -> None:
        """Reads the list of checkpoints again."""
        self._trees.clear()
        self._manager.reload()

    def folder(self, step: int | None) -> Path:
        """Returns the folder of a step."""
        return self._path / str(step)

    def _metadata(self, step: int) -> Any:
        """Returns the tree of a step's array metadata, read once; None if it is damaged, which `restore` reports."""
        if step not in self._trees:
            try:
                with quiet(), ocp.Checkpointer(tree_handler()) as reader:
                    self._trees[step] = reader.metadata(self.folder(step) / "state").item_metadata.tree
            except Exception:  # a damaged checkpoint raises many kinds
                self._trees[step] = None
        return self._trees[step]

    def _check(self, where: str, saved: Mapping[str, str], found: Mapping[str, str]) -> None:
        if differ := changed(saved, found):
            raise UserError(f"the checkpoint {where} is damaged: {differ[0]} is not what was saved")

    def _called(self, step: int | None) -> str:
        """Returns the name of a step's folder in messages."""
        return f"{self._name}/{step}"


def score_of(record: Mapping[str, Any]) -> Any:
    """Returns the score that is recorded of a checkpoint."""
    return record.get(SCORE, record.get(_ACCURACY, NOT_EVALUATED))


def _is_earlier(tree: Any) -> bool:
    """Returns whether a checkpoint with this tree was written before the state had collections."""
    return isinstance(tree, dict) and STATISTICS in tree


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    return {path: tuple(leaf.shape) for path, leaf in by_path(tree).items()}

"""Checkpoints by orbax, with a checksum of every array: written behind the training, the latest and the best kept."""

import contextlib
import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.sharding import Sharding
from orbax.checkpoint.checkpoint_managers import preservation_policy as policy

from jaxcnn.errors import UserError

BEST = "val/accuracy"
NOT_EVALUATED = -1.0
"""The accuracy of a checkpoint whose step was not evaluated: worse than any."""
LATEST = 2
"""How many of the latest are kept: should the last one be damaged, there is one to go back to."""


class Checkpoints:
    """The checkpoints of one run, named by their steps. A context manager: leaving it waits for unfinished writes."""

    def __init__(self, path: Path) -> None:
        def accuracy(found: dict[str, float]) -> float:
            return found[BEST]

        keep = [policy.LatestN(LATEST), policy.BestN(n=1, get_metric_fn=accuracy)]
        options = ocp.CheckpointManagerOptions(
            preservation_policy=policy.AnyPreservationPolicy(keep),
            best_fn=accuracy,  # without it metrics are not written
            cleanup_tmp_directories=True,
        )
        self._manager = ocp.CheckpointManager(path, options=options)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._manager.close()

    def steps(self) -> list[int]:
        """Returns the steps that can be restored, in rising order."""
        return sorted(self._manager.all_steps())

    def best(self) -> float:
        """Returns the best validation accuracy among the checkpoints, or `NOT_EVALUATED`."""
        return max((self.accuracy(step) for step in self.steps()), default=NOT_EVALUATED)

    def accuracy(self, step: int) -> float:
        """Returns the validation accuracy at a step, or `NOT_EVALUATED`, also where its record cannot be read."""
        try:
            return self._manager.metrics(step)[BEST]
        except Exception:  # whatever a damaged record leads to; `restore` is what names it
            return NOT_EVALUATED

    def save(self, step: int, state: Any, accuracy: float = NOT_EVALUATED) -> None:
        """Begins to write `state` and its checksums; returns when it is copied, not when it is written.

        `accuracy` is that of the validation split at this very step.
        """
        items = ocp.args.Composite(state=ocp.args.PyTreeSave(state), checksums=ocp.args.JsonSave(checksums(state)))
        self._manager.save(step, args=items, metrics={BEST: accuracy})

    def restore(self, abstract_state: Any, sharding: Sharding, step: int | None = None) -> Any:
        """Returns the state of `step`, by default the latest, on the devices of `sharding`.

        Args:
            abstract_state: tree of shapes and dtypes, as `jax.eval_shape` gives it.
            sharding: where each array of it shall live, on any number of devices.
            step: one of `steps()`.

        Raises:
            UserError: where the checkpoint cannot be read as this tree, or is not what was saved.
        """
        step = self.steps()[-1] if step is None else step
        target = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), abstract_state
        )
        arguments = ocp.checkpoint_utils.construct_restore_args(target)
        items = ocp.args.Composite(
            state=ocp.args.PyTreeRestore(target, restore_args=arguments), checksums=ocp.args.JsonRestore()
        )
        where = f"{self._manager.directory}/{step}"
        try:
            with _quiet():
                found = self._manager.restore(step, args=items)
        except Exception as error:  # orbax raises a bare Exception for damaged files
            line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise UserError(f"the checkpoint {where} cannot be restored: {line[:200]}") from error
        changed = _changed(found.checksums, checksums(found.state))
        if changed:
            raise UserError(f"the checkpoint {where} is damaged: {changed[0]} is not what was saved")
        return found.state

    def set_aside(self, step: int) -> Path:
        """Renames the folder of a step that cannot be restored, so that the step can be saved again; returns the name.

        What another process set aside before is left as it is.
        """
        folder = Path(self._manager.directory) / str(step)
        number = 1
        while (aside := folder.with_name(f"damaged-{step}-{number}")).exists():
            number += 1
        folder.rename(aside)
        self._manager.reload()
        return aside


def checksums(state: Any) -> dict[str, str]:
    """Returns 16 hexadecimal digits (SHA-256) for every array of a tree, by its path."""
    leaves = jax.tree_util.tree_leaves_with_path(jax.device_get(state))
    return {jax.tree_util.keystr(path, simple=True, separator="/"): _digest(np.asarray(leaf)) for path, leaf in leaves}


def _digest(array: np.ndarray) -> str:
    digest = hashlib.sha256(f"{array.dtype} {array.shape}".encode())
    digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()[:16]


def _changed(saved: dict[str, str], found: dict[str, str]) -> list[str]:
    return sorted(path for path in saved.keys() | found.keys() if saved.get(path) != found.get(path))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the pages that orbax logs about a damaged file off the terminal: the error says what is wrong."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)

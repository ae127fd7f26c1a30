"""Checkpoints by orbax: written behind the training, the latest and the best on validation kept."""

from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import orbax.checkpoint as ocp
from jax.sharding import Sharding
from orbax.checkpoint.checkpoint_managers import preservation_policy as policy

from jaxcnn.errors import UserError

BEST = "val/accuracy"
NOT_EVALUATED = -1.0
"""The accuracy of a checkpoint whose step was not evaluated: worse than any."""


class Checkpoints:
    """The checkpoints of one run, named by their steps. A context manager: leaving it waits for unfinished writes."""

    def __init__(self, path: Path) -> None:
        def accuracy(found: dict[str, float]) -> float:
            return found[BEST]

        keep = [policy.LatestN(1), policy.BestN(n=1, get_metric_fn=accuracy)]
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
        return max((self._manager.metrics(step)[BEST] for step in self.steps()), default=NOT_EVALUATED)

    def save(self, step: int, state: Any, accuracy: float = NOT_EVALUATED) -> None:
        """Begins to write `state`; returns when it is copied, not when it is written.

        `accuracy` is that of the validation split at this very step.
        """
        self._manager.save(step, args=ocp.args.PyTreeSave(state), metrics={BEST: accuracy})

    def restore(self, abstract_state: Any, sharding: Sharding, step: int | None = None) -> Any:
        """Returns the state of `step`, by default the latest, on the devices of `sharding`.

        Args:
            abstract_state: tree of shapes and dtypes, as `jax.eval_shape` gives it.
            sharding: where each array of it shall live, on any number of devices.
            step: one of `steps()`.

        Raises:
            UserError: where the checkpoint cannot be read as this tree.
        """
        step = self.steps()[-1] if step is None else step
        target = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), abstract_state
        )
        arguments = ocp.checkpoint_utils.construct_restore_args(target)
        try:
            return self._manager.restore(step, args=ocp.args.PyTreeRestore(target, restore_args=arguments))
        except Exception as error:  # orbax raises a bare Exception for damaged files
            line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            where = f"{self._manager.directory}/{step}"
            raise UserError(f"the checkpoint {where} cannot be restored: {line[:200]}") from error

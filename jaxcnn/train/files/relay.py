"""Checkpoints of several processes that share no disk: the first reads and writes them, the others hear from it."""

from typing import Any

import jax
import orbax.checkpoint as ocp
from jax.sharding import Sharding, SingleDeviceSharding

from jaxcnn.train.devices import hosts
from jaxcnn.train.files.checkpoint import NOT_EVALUATED, Checkpoints
from jaxcnn.train.files.folder import RunFolder
from jaxcnn.train.files.mirror import REMOVED


class Relay(Checkpoints):
    """`Checkpoints` of the first process, for all of them: every process calls alike, and gets the same."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        """Opens the folder in the first process, as `Checkpoints` does."""
        self._writing = None  # elsewhere than in the first process nothing is
        if hosts.first():
            alone = ocp.options.MultiprocessingOptions(active_processes={0}, barrier_sync_key_prefix="first")
            super().__init__(*arguments, processes=alone, **keywords)

    def close(self) -> None:
        """Does so in the first process."""
        if hosts.first():
            super().close()

    def save(self, step: int, state: Any, score: float = NOT_EVALUATED) -> str:
        """Returns, in all processes, what has gone wrong in the first."""
        return hosts.from_first(lambda: self.save_here(step, jax.device_get(state), score))

    def settle(self, *, wait: bool = True) -> str:
        """Returns, in all processes, what has gone wrong in the first."""
        return hosts.from_first(lambda: self.settle_here(wait=wait))

    def misfit(self, abstract_state: Any, step: int) -> str:
        """Returns, in all processes, what the first finds."""
        return hosts.from_first(lambda: Checkpoints.misfit(self, abstract_state, step))

    def carried_over(self) -> str:
        """Returns, in all processes, what is in the way of the first."""
        return hosts.from_first(lambda: self.carry_over())  # which only the first has

    def restore(self, abstract_state: Any, sharding: Sharding, step: int | None = None) -> Any:
        """Returns the state that the first process has restored, in all of them."""
        step = self.steps()[-1] if step is None else step
        own = SingleDeviceSharding(jax.local_devices()[0])
        found = hosts.on_first(lambda: jax.device_get(self.restore_here(abstract_state, own, step)), None)
        return hosts.spread(found, abstract_state, sharding)

    def reload(self) -> None:
        """Does so in the first process."""
        if hosts.first():
            super().reload()


def open_checkpoints(folder: RunFolder, *, read_only: bool = False) -> Checkpoints:
    """Returns the checkpoints of a run folder."""
    kind = Relay if folder.in_bucket and jax.process_count() > 1 else Checkpoints
    name = f"{folder.path}/checkpoints"
    removed = REMOVED if folder.in_bucket else None
    return kind(folder.checkpoints, name=name, read_only=read_only, removed=removed, carry_over=folder.carry_over)

"""Checkpoints of several processes without a shared disk: process 0 reads and writes them for all."""

from collections.abc import Callable
from typing import Any

import jax
import orbax.checkpoint as ocp
from jax.sharding import Sharding, SingleDeviceSharding

from jaxcnn.errors import UnsavedError
from jaxcnn.train.devices import hosts
from jaxcnn.train.files.checkpoint import NOT_EVALUATED, Checkpoints
from jaxcnn.train.files.folder import RunFolder
from jaxcnn.train.files.mirror import REMOVED
from jaxcnn.train.files.store import Store


class Relay(Checkpoints):
    """`Checkpoints` of process 0 for all processes. All call the same methods, and get the same results."""

    def _open(self, options: dict[str, Any]) -> Any:
        """Returns the checkpoints in process 0, and None in the others."""
        if not hosts.first():
            return None
        alone = ocp.options.MultiprocessingOptions(active_processes={0}, barrier_sync_key_prefix="first")
        return Store(self._path, processes=alone, **options)

    def close(self) -> None:
        """Does so in process 0."""
        if self._store:
            self._store.close()

    def save(self, step: int, state: Any, score: float = NOT_EVALUATED) -> None:
        """Does so in process 0, and raises its `UnsavedError` in all processes."""
        _in_first(lambda: self._store.save(step, state, score))

    @property
    def writing(self) -> int | None:
        """That of process 0; None elsewhere."""
        return self._store.writing if self._store else None

    def settle(self, *, wait: bool = True) -> None:
        """Does so in process 0, and raises its `UnsavedError` in all processes."""
        _in_first(lambda: self._store.settle(wait=wait))

    def carry_over(self) -> None:
        """Does so in process 0, and raises its `UnsavedError` in all processes."""
        _in_first(lambda: self._carry_over())  # only process 0 has it

    def check_fit(self, abstract_state: Any, step: int) -> None:
        """Does so in process 0, and raises its `UserError` in all processes."""
        hosts.on_first(lambda: self._store.check_fit(abstract_state, step), None)

    def restore(self, abstract_state: Any, sharding: Sharding, step: int | None = None) -> Any:
        """Returns the state that process 0 has restored in all processes."""
        step = self.steps()[-1] if step is None else step
        own = SingleDeviceSharding(jax.local_devices()[0])
        found = hosts.on_first(lambda: jax.device_get(self._store.restore(abstract_state, own, step)), None)
        return hosts.spread(found, abstract_state, sharding)

    def reload(self) -> None:
        """Does so in process 0."""
        if self._store:
            self._store.reload()


def _in_first(action: Callable[[], None]) -> None:
    """Does `action` in process 0; raises its `UnsavedError` in all processes."""

    def tried() -> str:
        try:
            action()
        except UnsavedError as error:
            return str(error)
        return ""

    if line := hosts.from_first(tried):
        raise UnsavedError(line)


def open_checkpoints(folder: RunFolder, *, read_only: bool = False) -> Checkpoints:
    """Returns the checkpoints of a run folder."""
    kind = Relay if folder.in_bucket and jax.process_count() > 1 else Checkpoints
    name = f"{folder.path}/checkpoints"
    removed = REMOVED if folder.in_bucket else None
    return kind(folder.checkpoints, name=name, read_only=read_only, removed=removed, carry_over=folder.carry_over)

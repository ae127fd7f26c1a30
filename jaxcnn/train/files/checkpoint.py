"""The checkpoints of a run, of all of its processes: each calls alike, and gets the same."""

from collections.abc import Callable, Collection
from pathlib import Path
from types import TracebackType
from typing import Any

from jax.sharding import Sharding

from jaxcnn.errors import UserError
from jaxcnn.train.devices import hosts
from jaxcnn.train.files.reading import NOT_EVALUATED
from jaxcnn.train.files.store import Store

__all__ = ["NOT_EVALUATED", "Checkpoints"]


class Checkpoints:
    """The checkpoints of one run, written by all its processes. A context manager: leaving it waits for writes."""

    def __init__(self, path: Path, *, carry_over: Callable[[], None] = lambda: None, **options: Any) -> None:
        """Opens a folder of checkpoints.

        Args:
            path: of the folder.
            carry_over: copies what was written to its final place, or raises `UnsavedError`.
            **options: as of `Store`, which raises what is wrong with the folder.
        """
        self._path, self._carry_over = path, carry_over
        self._store = self._open(options)

    def _open(self, options: dict[str, Any]) -> Store:
        """Returns the checkpoints as this process has them."""
        return Store(self._path, **options)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        if hosts.lost(kind):
            return  # an unfinished write would wait for a process that is gone
        self.close()

    def close(self) -> None:
        """Waits for unfinished writes, and removes the files of failed ones."""
        self._store.close()

    def steps(self) -> list[int]:
        """Returns the steps that can be restored, in ascending order, without one that is still being written."""
        return hosts.from_first(lambda: self._store.steps())

    def best(self) -> float:
        """Returns the best score among the checkpoints, or `NOT_EVALUATED`."""
        return hosts.from_first(lambda: self._store.best())

    def score(self, step: int) -> float:
        """Returns the score of the state of a step, or `NOT_EVALUATED`, also where its record cannot be read."""
        return hosts.from_first(lambda: self._store.score(step))

    def save(self, step: int, state: Any, score: float = NOT_EVALUATED) -> None:
        """Begins to write `state` and its checksums; returns before they are written.

        `score` is how good the state is on the validation split, the larger the better.

        Raises:
            UnsavedError: if the write before has failed, and this one is not begun, or this one fails at once. Such a
                checkpoint does not exist.
        """
        self._store.save(step, state, score)

    @property
    def writing(self) -> int | None:
        """The step whose checkpoint is being written; None if there is none, or `settle` has found it written."""
        return self._store.writing

    def settle(self, *, wait: bool = True) -> None:
        """Waits for the current write. Without `wait`, it returns at once if the write is not finished.

        Raises:
            UnsavedError: if the write has failed. Its checkpoint does not exist.
        """
        self._store.settle(wait=wait)

    def carry_over(self) -> None:
        """Copies what was written to its final place; raises `UnsavedError` if it cannot."""
        self._carry_over()

    def check_fit(self, abstract_state: Any, step: int) -> None:
        """Raises `UserError` if the state of a step has other arrays than `abstract_state`, and names the first."""
        self._store.check_fit(abstract_state, step)

    def restore(self, abstract_state: Any, sharding: Sharding, step: int | None = None) -> Any:
        """Returns the state of `step`, by default the latest, on the devices of `sharding`.

        Args:
            abstract_state: shapes and dtypes of a `TrainState`, as `jax.eval_shape` gives them.
            sharding: of each array, on any number of devices.
            step: one of `steps()`; None for the latest.

        Raises:
            UserError: if the checkpoint cannot be read as this tree, or has other checksums.
            Fault: if the machine cannot read it, for example for lack of memory.
        """
        return self._store.restore(abstract_state, sharding, self.steps()[-1] if step is None else step)

    def read(self, step: int, names: Collection[str] | None = None) -> dict[str, Any]:
        """Returns parts of the state of a step as of `Reader.read`, in this process."""
        return self._store.read(step, names)

    def set_aside(self, step: int) -> Path:
        """Renames the folder of a damaged step, so that the step can be saved again; returns the new name.

        Folders that were renamed before are not changed.
        """
        folder = self._path / str(step)
        aside = folder.with_name(hosts.from_first(lambda: _unused(step, folder.parent)))
        hosts.on_first(lambda: _rename(folder, aside), None)
        self.reload()
        return aside

    def reload(self) -> None:
        """Reads the list of checkpoints again."""
        self._store.reload()


def _unused(step: int, place: Path) -> str:
    """Returns an unused name for a damaged checkpoint."""
    number = 1
    while (place / f"damaged-{step}-{number}").exists():
        number += 1
    return f"damaged-{step}-{number}"


def _rename(folder: Path, aside: Path) -> None:
    try:
        folder.rename(aside)
    except OSError as error:
        raise UserError(f"the damaged checkpoint {folder} cannot be moved: {error.strerror}") from None

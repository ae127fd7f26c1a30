"""From which state the steps of a run are taken again."""

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jaxcnn.errors import UserError
from jaxcnn.evaluation.restored import remade
from jaxcnn.json_file import read_json
from jaxcnn.train.devices.mesh import replicated
from jaxcnn.train.files.checkpoint import Checkpoints
from jaxcnn.train.files.folder import RunFolder
from jaxcnn.train.files.relay import open_checkpoints
from jaxcnn.train.given import Parts
from jaxcnn.train.run import Run
from jaxcnn.train.state import TrainState


@dataclasses.dataclass(frozen=True, kw_only=True)
class Beginning:
    """A run that is made again, and a state of it."""

    run: Run
    state: TrainState
    checkpoint: int | None
    """The step of the checkpoint that holds the state; None: it is the initial one."""
    restarts: Sequence[int]
    """Steps from which the run has gone on."""


@contextlib.contextmanager
def beginning(
    folder: RunFolder, step: int, *, data_dir: str | os.PathLike[str] | None = None, parts: Parts | None = None
) -> Iterator[Beginning]:
    """Gives the latest state from which a step can be taken again: of a checkpoint before it, or else the initial one.

    Args:
        folder: of the run.
        step: number of the step, from 1.
        data_dir: where its data lie now, if not where they were.
        parts: the objects that it was given in Python.

    Raises:
        UserError: for a step that the run does not have or whose config is not known any more, for parts that are
            missing, or data that are others or cannot be read.
    """
    card = read_json(folder.card) if folder.card.exists() else {}
    with open_checkpoints(folder, read_only=True) as checkpoints:
        saved = [each for each in checkpoints.steps() if each < step]
        _check_config(card, step, max(saved, default=0))
        with remade(folder, begins=not saved, data_dir=data_dir, parts=parts) as run:
            _check(folder, card, run, step)
            checkpoint, state = _latest(run, checkpoints, saved)
            restarts = [each["step"] for each in card.get("restarts", [])]
            yield Beginning(run=run, state=state, checkpoint=checkpoint, restarts=restarts)


def _latest(run: Run, checkpoints: Checkpoints, saved: Sequence[int]) -> tuple[int | None, TrainState]:
    """Returns the latest of the checkpoints that can be read, and its state; without checkpoints, the initial one."""
    damaged: UserError | None = None
    for number in reversed(saved):
        try:
            return number, checkpoints.restore(run.abstract_state(), replicated(run.mesh), number)
        except UserError as error:  # the one before is as good, but further away
            damaged = damaged or error
    if damaged:
        raise damaged
    return None, run.init_state()


def _check(folder: RunFolder, card: Mapping[str, Any], run: Run, step: int) -> None:
    if step > run.total_steps:
        raise UserError(f"STEP is {step}: {folder.path} has the steps 1 to {run.total_steps}")
    before = card.get("data", {}).get("fingerprint", run.data["fingerprint"])
    if before != run.data["fingerprint"]:
        raise UserError(f"the data that lie there now are not those of {folder.path}: --data-dir says where those are")


def _check_config(card: Mapping[str, Any], step: int, saved: int) -> None:
    """Raises `UserError` if a step, or one on the way to it, had another config than the run has now."""
    forced = [each for each in card.get("forced", []) if each["step"] > saved]
    if forced:
        raise UserError(
            f"step {step} cannot be taken again: at step {forced[-1]['step']} --force changed the config "
            f"({'; '.join(forced[-1]['changes'])}), and that of before is not kept"
        )

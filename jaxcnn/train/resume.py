"""From where a run goes on: what earlier starts have left in its folder."""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from jaxcnn.errors import UserError
from jaxcnn.train.devices import hosts
from jaxcnn.train.devices.mesh import replicated
from jaxcnn.train.files.checkpoint import Checkpoints
from jaxcnn.train.files.folder import RunFolder, read_lines
from jaxcnn.train.run import Run
from jaxcnn.train.state import TrainState, steps_taken


@dataclasses.dataclass(frozen=True, kw_only=True)
class Start:
    """From where a run goes on."""

    state: TrainState
    step: int
    """Number of steps of that state; 0 for an initial one."""
    history: list[dict[str, Any]]
    """The rows that earlier starts logged up to this step."""
    card: Mapping[str, Any] | None
    """The card of an earlier start, in process 0 alone."""
    changes: list[str]
    """A line for each change of the config, and for each file that is gone; in process 0 alone."""
    damaged: list[str]
    """A line for each checkpoint that cannot be restored."""
    over: str
    """How the run has ended at this step, else ""."""

    @property
    def tested(self) -> dict[str, Any] | None:
        """The results on the test split, if the run has ended and they are known."""
        return _test_of(self.history, self.step) if self.over else None


def find_start(run: Run, folder: RunFolder, checkpoints: Checkpoints, *, force: bool) -> Start:
    """Returns from where a run goes on in a folder, whose config becomes that of the run.

    Args:
        run: to go on with, or to begin.
        folder: of the run.
        checkpoints: in it.
        force: whether the run may have another config than the folder.

    Raises:
        UserError: if the folder holds a longer run, one of another config or of other data, or no state that can be
            restored; or if the processes do not have the same.
    """
    last = max(checkpoints.steps(), default=0)
    if last > run.total_steps:
        raise UserError(
            f"{folder.path} holds step {last}, beyond the {run.total_steps} steps that were asked for: at least {last}"
        )
    asked, resumed = run.config.to_dict(), last > 0
    if resumed and hosts.from_first(lambda: folder.kept.differs(asked, run.given)):
        hosts.together(lambda: checkpoints.check_fit(run.abstract_state(), last))
    card = hosts.on_first(lambda: folder.earlier_card(run.data["fingerprint"], resumed=resumed), None)
    gone = hosts.on_first(lambda: folder.gone(resumed=resumed), [])
    changes = gone + hosts.on_first(lambda: folder.kept.adopt(asked, run.given, resumed=resumed, force=force), [])
    hosts.on_first(lambda: _check_begun(run, folder, card), None)
    _check_alike(run, folder)
    state, damaged = _first_state(run, checkpoints)
    step = steps_taken(state)
    return Start(
        state=state,
        step=step,
        history=hosts.from_first(lambda: _history(folder, step)),
        card=card,
        changes=changes,
        damaged=damaged,
        over=hosts.from_first(lambda: _end_of(run, card, changes, step)),
    )


def _check_begun(run: Run, folder: RunFolder, card: Mapping[str, Any] | None) -> None:
    """Raises `UserError` if images are preprocessed as weights say that are not those that the run began from."""
    began = ((card or {}).get("init") or {}).get("preprocessing")
    if run.transfer and began is not None and began != run.transfer.preprocessing:
        raise UserError(f"{folder.path} holds a run that began from other weights; use another --workdir")


def _check_alike(run: Run, folder: RunFolder) -> None:
    """Raises `UserError` if the processes have different configs, parts, data or folders."""
    config = run.config.to_dict()
    config["data"]["dir"] = None
    hosts.check_same("the config", json.dumps(config))
    hosts.check_same("what is handed over", json.dumps(dict(run.given)))
    hosts.check_same("the data", run.data["fingerprint"])
    hosts.check_same("the weights to begin from", json.dumps(run.transfer and run.transfer.record()))
    hosts.check_same("the run folder", folder.identity())


def _first_state(run: Run, checkpoints: Checkpoints) -> tuple[TrainState, list[str]]:
    """Returns the latest state that can be restored, or an initial one, and a line for each checkpoint that cannot."""
    damaged: dict[int, str] = {}
    for step in reversed(checkpoints.steps()):
        try:
            state = hosts.together(lambda: checkpoints.restore(run.abstract_state(), replicated(run.mesh), step))  # noqa: B023
        except UserError as error:
            damaged[step] = str(error)
            continue
        names = {bad: checkpoints.set_aside(bad).name for bad in damaged}
        lines = (f"warning: {line}; it is now called {names[bad]}" for bad, line in damaged.items())
        return state, [f"{line}, and the run goes on from step {step}" for line in lines]
    if damaged:
        latest = damaged[max(damaged)]
        raise UserError(f"{latest}; none is left to go on from: use another --workdir, or remove it to begin anew")
    return run.init_state(), []


def _history(folder: RunFolder, start: int) -> list[dict[str, Any]]:
    """Returns the logged rows up to a step. Numbers that are not finite are null in the file."""
    rows = [row for row in read_lines(folder.metrics) if row["step"] <= start]
    return [{name: math.nan if value is None else value for name, value in row.items()} for row in rows]


def _end_of(run: Run, card: Mapping[str, Any] | None, changes: Sequence[str], step: int) -> str:
    """Returns a text if a run ended at a step, the last one or one at which a hook ended it; else ""."""
    if step == run.total_steps:
        return f"step {step} of {run.total_steps}"
    stopped = (card or {}).get("stopped") or {}
    if stopped.get("step") == step and not changes:
        return f"it has ended at step {step} of {run.total_steps}: {stopped['reason']}"
    return ""


def _test_of(history: Sequence[Mapping[str, Any]], step: int) -> dict[str, Any] | None:
    """Returns the results on the test split after a step, or None."""
    rows = [row for row in history if row["step"] == step and "test/loss" in row]
    return {name: value for name, value in rows[-1].items() if name.startswith("test/")} if rows else None

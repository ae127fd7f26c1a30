"""Trains a run from beginning to end, and tests it."""

import contextlib
import dataclasses
import json
import math
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Unpack

from ml_collections import ConfigDict

from jaxcnn.errors import Fault, UserError, say
from jaxcnn.train.devices import hosts
from jaxcnn.train.devices.mesh import replicated
from jaxcnn.train.evaluate import Evaluator, over_views
from jaxcnn.train.events import find_hook, misspelt
from jaxcnn.train.files.card import RunCard
from jaxcnn.train.files.checkpoint import Checkpoints
from jaxcnn.train.files.clock import Clock
from jaxcnn.train.files.folder import RunFolder, read_json, read_lines
from jaxcnn.train.files.relay import open_checkpoints
from jaxcnn.train.given import Parts, names_of
from jaxcnn.train.hooks.evaluation import Evaluation
from jaxcnn.train.hooks.finite import StopAtNonfinite
from jaxcnn.train.hooks.log import Log, Spikes
from jaxcnn.train.hooks.predictions import KeptPredictions
from jaxcnn.train.hooks.preemption import Preempted, Preemption
from jaxcnn.train.hooks.progress import Progress, print_rows
from jaxcnn.train.hooks.report import epochs_of, recomputed, result_rows
from jaxcnn.train.hooks.saving import Saving
from jaxcnn.train.hooks.writers import MetricsFile, TensorBoard
from jaxcnn.train.run import Run
from jaxcnn.train.seeds import each
from jaxcnn.train.settings import read_settings
from jaxcnn.train.setup import build_run
from jaxcnn.train.state import TrainState, steps_taken
from jaxcnn.train.step import make_predict_step
from jaxcnn.train.training import Training

__all__ = ["Preempted", "Result", "make_evaluator", "train", "train_and_evaluate"]


@dataclasses.dataclass(frozen=True)
class Result:
    """The results of a run."""

    state: TrainState
    """The state after the last step."""
    history: list[dict[str, Any]]
    """All logged rows, as in metrics.jsonl, including earlier starts."""
    test: dict[str, Any]
    """`test/loss` (nats), the metrics, such as `test/accuracy` (a fraction), and `test/examples`; `test/partial` if the
    data set is incomplete."""


def train_and_evaluate(
    config: ConfigDict,
    workdir: str | os.PathLike[str],
    *,
    hooks: Sequence[Any] = (),
    force: bool = False,
    **parts: Unpack[Parts],
) -> Result:
    """Trains the run of `config`, resumes it if `workdir` has a checkpoint, and evaluates the test split once.

    Args:
        config: `jaxcnn.base_config()` with changes.
        workdir: as of `train`.
        hooks: as of `train`.
        force: as of `train`.
        **parts: objects that replace what the config names, as in `make_run`: model, loss_fn, metrics, tx, schedule,
            augment, data, step.

    Raises:
        UserError: for a mistake in the config, a part or the folder, before anything is compiled; and as `train`.
    """
    clock, given = Clock(), names_of(parts)
    settings = hosts.together(lambda: read_settings(config, parts))
    _check_folder(workdir, settings.config.to_dict(), given, force=force)  # before data are opened
    run = hosts.together(lambda: build_run(settings, parts))
    return _train(run, workdir, hooks, clock, force=force)


def train(run: Run, workdir: str | os.PathLike[str], *, hooks: Sequence[Any] = (), force: bool = False) -> Result:
    """Trains a run, resumes it if `workdir` has a checkpoint, and evaluates the test split once.

    Args:
        run: from `make_run`.
        workdir: the run folder, which is made if it is missing, for config.json, run.json, metrics.jsonl, checkpoints/
            and TensorBoard events.
        hooks: objects with methods for events, see `jaxcnn.train.events`; or paths to what makes one.
        force: resume a run with another config, if its state has the same arrays.

    Raises:
        UserError: for a folder that cannot be used or contains another run; and for a step that is not finite, if
            `config.on_nonfinite` is "stop".
        Preempted: after SIGTERM or SIGINT, when the state is saved.
        Fault: if the last state could not be saved, because the disk is full or gone. Earlier checkpoints are kept.
    """
    if not isinstance(run, Run):
        raise UserError("train takes a run, as make_run(config) makes; train_and_evaluate(config, workdir) does both")
    _check_folder(workdir, run.config.to_dict(), run.given, force=force)
    return _train(run, workdir, hooks, Clock(), force=force)


def _check_folder(
    workdir: str | os.PathLike[str], asked: Mapping[str, Any], given: Mapping[str, str], *, force: bool
) -> None:
    hosts.on_first(lambda: RunFolder(workdir, make=False).check(asked, given, force=force), None)


def _train(run: Run, workdir: str | os.PathLike[str], hooks: Sequence[Any], clock: Clock, *, force: bool) -> Result:
    if isinstance(hooks, str) or not isinstance(hooks, Sequence):
        raise UserError(f"hooks is {hooks!r:.60}: it must be a list of hooks")
    hooks = [find_hook(hook) for hook in (*run.settings.hooks, *hooks)]
    folder = hosts.together(lambda: RunFolder(workdir))
    with contextlib.ExitStack() as stack:
        stack.enter_context(hosts.on_first(folder.hold, contextlib.nullcontext()))
        stack.enter_context(contextlib.closing(run.pipeline))
        checkpoints = stack.enter_context(hosts.together(lambda: open_checkpoints(folder)))
        result, unsaved = _go_on(run, folder, checkpoints, hooks, clock, force=force)
    last = steps_taken(result.state)
    if hosts.first():
        print_rows(result_rows(run, folder.path, last, result.test, result.history, _card_of(folder)))
    if unsaved:
        raise Fault(f"the run is at its end, step {last}, but {unsaved}")
    return result


def _go_on(
    run: Run, folder: RunFolder, checkpoints: Checkpoints, hooks: Sequence[Any], clock: Clock, *, force: bool
) -> tuple[Result, str]:
    """Returns the result after the last step, and a text that says why the state is not saved, else ""."""
    last = max(checkpoints.steps(), default=0)
    if last > run.total_steps:
        raise UserError(
            f"{folder.path} holds step {last}, beyond the {run.total_steps} steps that were asked for: at least {last}"
        )
    if last and hosts.from_first(lambda: folder.differs(run.config.to_dict(), run.given)):
        hosts.together(lambda: _check_fit(run, checkpoints, last))
    earlier = hosts.on_first(lambda: folder.earlier_card(run.data["fingerprint"], resumed=last > 0), None)
    gone = hosts.on_first(lambda: folder.gone(resumed=last > 0), [])
    asked, resumed = run.config.to_dict(), last > 0
    changes = gone + hosts.on_first(lambda: folder.adopt(asked, run.given, resumed=resumed, force=force), [])
    _check_alike(run, folder)
    state, damaged = _first_state(run, checkpoints)
    start = steps_taken(state)
    history = hosts.from_first(lambda: _history(folder, start))
    over = hosts.from_first(lambda: _end_of(run, earlier, changes, start))
    tested = _test_of(history, start) if over else None
    card = RunCard(run, folder, clock, earlier, start)
    hosts.on_first(lambda: card.begin(changes, finished=bool(tested)), None)
    if tested:
        if hosts.first():
            for line in (*changes, f"The run in {folder.path} is finished: {over}."):
                say(line)
        return Result(state, history, tested), ""
    saving = Saving(checkpoints, run.checkpoint_every)
    training = Training(
        run,
        folder.path,
        state,
        evaluate=make_evaluator(run, batch_size=run.settings.eval_batch_size),
        hooks=[*_own_hooks(run, folder, checkpoints, saving, start), *hooks],
        history=history,
        seconds=clock.seconds,
    )
    with contextlib.ExitStack() as stack:
        hosts.together(lambda: stack.enter_context(training.running()))
        for line in (*damaged, *changes, *recomputed(run, changes), *filter(None, map(misspelt, hooks))):
            training.say(line)
        with _completing(card, training):
            return _to_the_end(training, saving)


def _to_the_end(training: Training, saving: Saving) -> tuple[Result, str]:
    """Trains, evaluates the test split and saves the last state; returns as `_go_on`."""
    training.train()
    if training.paused and not training.stopped and training.step < training.run.total_steps:
        unsaved = saving.secure(training.step) if training.step > 0 else ""
        if unsaved:
            raise Fault(f"stopped at step {training.step}, but {unsaved}")
        raise Preempted(training.step)
    if training.stopped:
        training.say(f"the run ends at step {training.step}: {training.stopped}")
    marks = {"test/partial": True} if training.run.data["partial"] else {}  # if the data set is incomplete
    tested = training.evaluate("test", marks)
    result = Result(training.state, training.history, tested)
    unsaved = saving.secure(training.step)
    if not training.paused:
        training.keep_predictions()
    training.tell("end", result)
    return result, unsaved


def _own_hooks(run: Run, folder: RunFolder, checkpoints: Checkpoints, saving: Saving, start: int) -> list[Any]:
    """Returns the hooks of every run, in the order of their calls."""
    show, epochs = run.settings.progress, epochs_of(run)
    progress = Progress(start=start, total=run.total_steps, show=show, best=run.best, epochs=epochs)
    return [
        *([progress] if hosts.first() else []),
        MetricsFile(folder.metrics),
        KeptPredictions(folder.place),
        *([TensorBoard(folder.tensorboard)] if run.settings.tensorboard else []),
        Spikes(),
        *([StopAtNonfinite(checkpoints)] if run.settings.on_nonfinite == "stop" else []),
        Log(run.log_every),
        Evaluation(run.eval_every),
        saving,
        Preemption(),
    ]


@contextlib.contextmanager
def _completing(card: RunCard, training: Training) -> Iterator[None]:
    """Writes the run card again at the end, also after an error, with the duration and the skipped images.

    Skipped images are those of all processes, or of process 0 if a process ends with an error of its own.
    """
    pipeline = training.run.pipeline
    skipped: Mapping[str, Collection[str]] = pipeline.skipped
    try:
        try:
            yield
        except Preempted:
            skipped = hosts.union(pipeline.skipped)
            raise
        skipped = hosts.union(pipeline.skipped)
    finally:
        skipped = skipped or pipeline.skipped
        if hosts.first():
            try:
                card.write(skipped=skipped, stopped=(training.step, training.stopped) if training.stopped else None)
            except UserError as error:
                training.say(f"warning: {error}")


def _history(folder: RunFolder, start: int) -> list[dict[str, Any]]:
    """Returns the logged rows up to a step. Numbers that are not finite are null in the file."""
    rows = [row for row in read_lines(folder.metrics) if row["step"] <= start]
    return [{name: math.nan if value is None else value for name, value in row.items()} for row in rows]


def _end_of(run: Run, earlier: Mapping[str, Any] | None, changes: Sequence[str], step: int) -> str:
    """Returns a text if a run ended at a step, the last one or one at which a hook ended it; else ""."""
    if step == run.total_steps:
        return f"step {step} of {run.total_steps}"
    stopped = (earlier or {}).get("stopped") or {}
    if stopped.get("step") == step and not changes:
        return f"it has ended at step {step} of {run.total_steps}: {stopped['reason']}"
    return ""


def _test_of(history: Sequence[Mapping[str, Any]], step: int) -> dict[str, Any] | None:
    """Returns the results on the test split after a step, or None."""
    rows = [row for row in history if row["step"] == step and "test/loss" in row]
    return {name: value for name, value in rows[-1].items() if name.startswith("test/")} if rows else None


def _card_of(folder: RunFolder) -> dict[str, Any]:
    """Returns the run card; {} if it cannot be read."""
    try:
        return read_json(folder.card)
    except UserError:
        return {}


def _check_alike(run: Run, folder: RunFolder) -> None:
    """Raises `UserError` if the processes have different configs, parts, data or folders."""
    config = run.config.to_dict()
    config["data"]["dir"] = None
    hosts.check_same("the config", json.dumps(config))
    hosts.check_same("what is handed over", json.dumps(dict(run.given)))
    hosts.check_same("the data", run.data["fingerprint"])
    hosts.check_same("the run folder", folder.identity())


def _check_fit(run: Run, checkpoints: Checkpoints, step: int) -> None:
    """Raises `UserError` if the saved state of a step has other arrays than this run's."""
    misfit = checkpoints.misfit(run.abstract_state(), step)
    if misfit:
        raise UserError(f"the config does not fit the state that is saved: {misfit}; use another --workdir")


def make_evaluator(run: Run, *, batch_size: int) -> Evaluator:
    """Returns an evaluator for the splits of the run's data; `batch_size` changes no result."""
    apply_fn = over_views(run.apply_on(run.mesh), run.settings.feeding.views)
    step = make_predict_step(apply_fn=apply_fn, loss_fn=run.eval_loss_fn, metrics=run.metrics)
    step = each(step, run.num_seeds, in_axes=(0, None))
    eval_batch = run.eval_batches_on(run.mesh)
    return Evaluator(step, run.pipeline, eval_batch, batch_size=batch_size, mesh=run.mesh, seeds=run.seeds)


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

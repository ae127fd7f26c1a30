"""Trains a run from beginning to end, and tests it."""

import contextlib
import dataclasses
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NoReturn, Unpack

from ml_collections import ConfigDict

from jaxcnn.errors import Fault, UnsavedError, UserError, first_line, say
from jaxcnn.json_file import read_json
from jaxcnn.train.averaged import finish, states_averaged
from jaxcnn.train.card import RunCard
from jaxcnn.train.devices import hosts
from jaxcnn.train.evaluate import make_evaluator
from jaxcnn.train.events import find_hook, misspelt
from jaxcnn.train.files.average import average_result, for_card
from jaxcnn.train.files.checkpoint import Checkpoints
from jaxcnn.train.files.clock import Clock
from jaxcnn.train.files.folder import RunFolder
from jaxcnn.train.files.relay import open_checkpoints
from jaxcnn.train.given import Parts, names_of
from jaxcnn.train.hooks.ours import our_hooks
from jaxcnn.train.hooks.preemption import Preempted
from jaxcnn.train.hooks.progress import print_rows
from jaxcnn.train.hooks.report import recomputed, result_rows
from jaxcnn.train.hooks.saving import Saving
from jaxcnn.train.resume import find_start
from jaxcnn.train.run import Run
from jaxcnn.train.settings import read_settings
from jaxcnn.train.setup import build_run
from jaxcnn.train.state import TrainState, steps_taken
from jaxcnn.train.training import Training

__all__ = ["Preempted", "Result", "train", "train_and_evaluate"]


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
    swa: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Of the averaged net, if there is one: `test/loss`, `val/accuracy` and so on, with `before/val/...` of statistics
    that were not estimated yet; `states` and `images`, as in metrics.jsonl."""


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
        **parts: objects that replace what the config names, as in `make_run`: model, norm, act, loss_fn, metrics, tx,
            schedule, augment, data, step, init_from.

    Raises:
        UserError: for a mistake in the config, a part or the folder, before anything is compiled; and as `train`.
    """
    clock, given = Clock(), names_of(parts)
    settings = hosts.together(lambda: read_settings(config, parts))
    _check_folder(workdir, settings.config.to_dict(), given, force=force)  # before data are opened
    begun = hosts.from_first(lambda: RunFolder(workdir, make=False).begun())  # then its weights may be gone
    run = hosts.together(lambda: build_run(settings, parts, begun=begun))
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
        card = _card_of(folder)  # the copy of a folder in a bucket is gone when it is let go
    last = steps_taken(result.state)
    if hosts.first():
        print_rows(result_rows(run, folder.path, last, result.test, result.history, card))
    if unsaved:
        raise Fault(f"the run is at its end, step {last}, but {unsaved}")
    return result


def _go_on(
    run: Run, folder: RunFolder, checkpoints: Checkpoints, hooks: Sequence[Any], clock: Clock, *, force: bool
) -> tuple[Result, UnsavedError | None]:
    """Returns the result after the last step, and the error if the state of that step could not be saved."""
    start = find_start(run, folder, checkpoints, force=force)
    tested, card = start.tested, RunCard(run, folder, clock, start.card, start.step)
    hosts.on_first(lambda: card.begin(start.changes, finished=bool(tested)), None)
    averaged = average_result(start.history, start.step)
    if tested and (averaged or not states_averaged(start.state)):
        if hosts.first():
            for line in (*start.changes, f"The run in {folder.path} is finished: {start.over}."):
                say(line)
        return Result(start.state, start.history, tested, averaged), None
    saving = Saving(checkpoints, run.checkpoint_every)
    training = Training(
        run,
        folder.path,
        start.state,
        evaluate=make_evaluator(run, batch_size=run.settings.eval_batch_size),
        hooks=[*our_hooks(run, folder, checkpoints, saving, start.step), *hooks],
        history=start.history,
        seconds=clock.seconds,
    )
    with contextlib.ExitStack() as stack:
        hosts.together(lambda: stack.enter_context(training.running()))
        for line in (
            *start.damaged,
            *start.changes,
            *recomputed(run, start.changes),
            *filter(None, map(misspelt, hooks)),
        ):
            training.say(line)
        with _completing(card, training):
            return _to_the_end(training, saving, folder)


def _to_the_end(training: Training, saving: Saving, folder: RunFolder) -> tuple[Result, UnsavedError | None]:
    """Trains, evaluates the test split, saves the last state and ends its averaging; returns as `_go_on`."""
    training.train()
    unfinished = training.step < training.run.total_steps or states_averaged(training.state) > 0
    if training.paused and not training.stopped and unfinished:
        _pause(training, saving)
    if training.stopped:
        training.say(f"the run ends at step {training.step}: {training.stopped}")
    marks = {"test/partial": True} if training.run.data["partial"] else {}  # if the data set is incomplete
    tested = training.evaluate("test", marks)
    unsaved = None
    try:
        saving.secure(training.step)
    except UnsavedError as error:  # the results are shown first
        unsaved = error
    if not training.paused:
        training.keep_predictions()
    try:
        finish(training, folder)
    except UnsavedError as error:
        unsaved = unsaved or error
    result = Result(training.state, training.history, tested, average_result(training.history, training.step))
    training.tell("end", result)
    return result, unsaved


def _pause(training: Training, saving: Saving) -> NoReturn:
    """Saves the state of a training that was asked to stop."""
    try:
        if training.step > 0:
            saving.secure(training.step)
    except UnsavedError as error:
        raise Fault(f"stopped at step {training.step}, but {error}") from error
    raise Preempted(training.step)


@contextlib.contextmanager
def _completing(card: RunCard, training: Training) -> Iterator[None]:
    """Writes the run card again at the end, also after an error, with the duration, the error and the skipped images.

    Skipped images are those of all processes, or of process 0 if a process ends with an error of its own.
    """
    pipeline = training.run.pipeline
    skipped: Mapping[str, Collection[str]] = pipeline.skipped
    failed = None
    try:
        try:
            yield
        except Preempted:
            skipped = hosts.union(pipeline.skipped)
            raise
        except Exception as error:
            failed = (training.step, first_line(error))
            raise
        skipped = hosts.union(pipeline.skipped)
    finally:
        skipped = skipped or pipeline.skipped
        if hosts.first():
            try:
                stopped = (training.step, training.stopped) if training.stopped else None
                averaged = for_card(training.history, training.step)
                card.write(skipped=skipped, stopped=stopped, failed=failed, averaged=averaged)
            except UserError as error:
                training.say(f"warning: {error}")


def _card_of(folder: RunFolder) -> dict[str, Any]:
    """Returns the run card; {} if it cannot be read."""
    try:
        return read_json(folder.card)
    except UserError:
        return {}

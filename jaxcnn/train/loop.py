"""The run from its config to its test accuracy."""

import contextlib
import os
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import jax
from ml_collections import ConfigDict

from jaxcnn.augment.views import parse_views
from jaxcnn.errors import Fault, UserError, say
from jaxcnn.train.devices import hosts
from jaxcnn.train.devices.mesh import replicated
from jaxcnn.train.evaluate import Evaluator, over_views
from jaxcnn.train.files.card import RunCard
from jaxcnn.train.files.checkpoint import Checkpoints
from jaxcnn.train.files.clock import Clock
from jaxcnn.train.files.folder import RunFolder, read_json, read_lines
from jaxcnn.train.files.mirror import REMOVED
from jaxcnn.train.files.relay import Relay
from jaxcnn.train.hooks.preemption import Preempted, Preemption
from jaxcnn.train.hooks.progress import Progress, print_rows
from jaxcnn.train.hooks.report import epochs_of, opening, recomputed, result_rows
from jaxcnn.train.hooks.writers import MetricsWriter, NoWriter
from jaxcnn.train.run import Run
from jaxcnn.train.seeds import each
from jaxcnn.train.setup import resolve, settled
from jaxcnn.train.state import TrainState, steps_taken
from jaxcnn.train.step import make_eval_step
from jaxcnn.train.training import Training

__all__ = ["Preempted", "make_evaluator", "train_and_evaluate"]


def train_and_evaluate(
    config: ConfigDict, workdir: str | os.PathLike[str], *, data: Any | None = None, force: bool = False
) -> dict[str, float]:
    """Trains what `config` asks for, goes on where `workdir` has a checkpoint of it, and evaluates the test split once.

    Args:
        config: `jaxcnn.base_config()` with changes.
        workdir: the run folder, made where missing; holds config.json, run.json, metrics.jsonl, checkpoints/ and
            TensorBoard events afterwards.
        data: in place of the data set that the config names: by split, "train", "test" and perhaps "val", a pair
            (images, labels) of uint8 (examples, height, width[, 1 or 3]) and int (examples,), or any random-access
            source of (image, label).
        force: go on with a run of another config, where its state has the same arrays.

    Returns:
        `test/accuracy` (a share), `test/loss` (nats), `test/examples` and, where examples of the data set are missing,
        `test/partial`.

    Raises:
        UserError: for anything wrong in the config or the folder, in one line, before anything compiles; and for a
            loss or gradient that is not finite, where `config.on_nonfinite` is "stop".
        Preempted: after SIGTERM or SIGINT, once the state is saved.
        Fault: the last state could not be saved, for the disk was full or gone; what was saved before stays.
    """
    clock = Clock()
    asked = hosts.together(lambda: settled(config, data))
    hosts.on_first(lambda: RunFolder(workdir, make=False).check(asked, force=force), None)  # before data are looked at
    run = hosts.together(lambda: resolve(config, data))
    folder = hosts.together(lambda: RunFolder(workdir))
    with contextlib.ExitStack() as stack:
        stack.enter_context(hosts.on_first(folder.hold, contextlib.nullcontext()))
        stack.enter_context(contextlib.closing(run.pipeline))
        checkpoints = stack.enter_context(hosts.together(lambda: open_checkpoints(folder)))
        result, unsaved = _go_on(run, folder, checkpoints, clock, force=force)
    if hosts.first():
        print_rows(result_rows(run, folder.path, result, *_recorded(folder)))
    if unsaved:
        raise Fault(f"the run is at its end, step {run.total_steps}, but {unsaved}")
    return {name: value for name, value in result.items() if name.startswith("test/")}


def _go_on(
    run: Run, folder: RunFolder, checkpoints: Checkpoints, clock: Clock, *, force: bool
) -> tuple[dict[str, float], str]:
    """Returns the results on the test split after the last step and, in words, why that is not saved, else ""."""
    last = max(checkpoints.steps(), default=0)
    if last > run.total_steps:
        raise UserError(
            f"{folder.path} holds step {last}, beyond the {run.total_steps} steps that were asked for: at least {last}"
        )
    if last and hosts.from_first(lambda: folder.differs(run.config)):
        hosts.together(lambda: _check_fit(run, checkpoints, last))
    earlier = hosts.on_first(lambda: folder.earlier_card(run.data["fingerprint"], resumed=last > 0), None)
    gone = hosts.on_first(lambda: folder.gone(resumed=last > 0), [])
    changes = gone + hosts.on_first(lambda: folder.adopt(run.config, resumed=last > 0, force=force), [])
    _check_alike(run, folder)
    state, damaged = _first_state(run, checkpoints)
    start = steps_taken(state)
    evaluate = make_evaluator(run, batch_size=run.config.eval_batch_size)
    result = hosts.from_first(lambda: folder.test_result(start)) if start == run.total_steps else None
    card = RunCard(run, folder, clock, earlier, start)
    hosts.on_first(lambda: card.begin(changes, finished=bool(result)), None)
    if result:
        if hosts.first():
            for line in (*changes, f"The run in {folder.path} is finished: step {start} of {run.total_steps}."):
                say(line)
        return result, ""
    with _shown(run, folder, clock, start) as (progress, writer):
        for name, lines in opening(run, folder.path, start).items():
            progress.block(name, lines)
        for line in (*damaged, *changes, *recomputed(run, changes)):
            progress.line(line)
        with Preemption() as preemption, _completing(card, run, progress):
            training = Training(run, state, evaluate, checkpoints, writer, progress, preemption)
            state = training.until_the_end(start)
            progress.doing("evaluating", "the test split")
            result = _marked(run, evaluate(state, "test"))
            writer.write(steps_taken(state), result)
            return result, training.secure(run.total_steps)


def open_checkpoints(folder: RunFolder, *, read_only: bool = False) -> Checkpoints:
    """Returns the checkpoints of a run folder."""
    kind = Relay if folder.in_bucket and jax.process_count() > 1 else Checkpoints
    name = f"{folder.path}/checkpoints"
    removed = REMOVED if folder.in_bucket else None
    return kind(folder.checkpoints, name=name, read_only=read_only, removed=removed, carry_over=folder.carry_over)


@contextlib.contextmanager
def _completing(card: RunCard, run: Run, progress: Progress) -> Iterator[None]:
    """Writes the run card again, however the training ends: how long it took, and the images that it has skipped.

    They are those of all processes, but where one ends by an error of its own: then those of process 0.
    """
    skipped: Mapping[str, Collection[str]] = run.pipeline.skipped
    try:
        try:
            yield
        except Preempted:
            skipped = hosts.union(run.pipeline.skipped)
            raise
        skipped = hosts.union(run.pipeline.skipped)
    finally:
        skipped = skipped or run.pipeline.skipped
        if hosts.first():
            try:
                card.write(skipped=skipped)
            except UserError as error:
                progress.line(f"warning: {error}")


@contextlib.contextmanager
def _shown(run: Run, folder: RunFolder, clock: Clock, start: int) -> Iterator[tuple[Progress, MetricsWriter]]:
    """Gives what shows a run from step `start` on, and what writes its metrics: in process 0, and nothing elsewhere."""
    config = run.config
    total, quiet = run.total_steps, not hosts.first()

    def stamp(step: int) -> dict[str, float]:
        return {"epoch": float(step / run.steps_per_epoch), "time": clock.seconds()}

    def make_writer() -> MetricsWriter:
        return MetricsWriter(folder, start=start, tensorboard=config.tensorboard, warn=progress.line, stamp=stamp)

    with (
        Progress(start=start, total=total, show=config.progress, quiet=quiet, epochs=epochs_of(run)) as progress,
        hosts.on_first(make_writer, NoWriter()) as writer,
    ):
        yield progress, writer


def _recorded(folder: RunFolder) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Returns the lines of metrics.jsonl and the run card; nothing, where the disk does not give them."""
    try:
        return read_lines(folder.metrics), read_json(folder.card)
    except UserError:
        return [], {}


def _check_alike(run: Run, folder: RunFolder) -> None:
    """Raises `UserError` where the processes would train different things, or keep them in different places."""
    config = ConfigDict(run.config)
    config.data.dir = None
    hosts.check_same("the config", config.to_json())
    hosts.check_same("the data", run.data["fingerprint"])
    hosts.check_same("the run folder", folder.identity())


def _check_fit(run: Run, checkpoints: Checkpoints, step: int) -> None:
    """Raises `UserError` where the state of a step has other arrays than this run's."""
    misfit = checkpoints.misfit(run.abstract_state(), step)
    if misfit:
        raise UserError(f"the config does not fit the state that is saved: {misfit}; use another --workdir")


def make_evaluator(run: Run, *, batch_size: int) -> Evaluator:
    """Returns what evaluates a state on a split of the run's data; `batch_size` changes no result."""
    apply_fn = over_views(run.model.apply, parse_views(run.config.eval_views))
    step = make_eval_step(apply_fn=apply_fn, loss_fn=run.eval_loss_fn, metrics=run.metrics)
    step = each(step, run.num_seeds, in_axes=(0, None))
    return Evaluator(step, run.pipeline, batch_size=batch_size, mesh=run.mesh, seeds=run.seeds)


def _first_state(run: Run, checkpoints: Checkpoints) -> tuple[TrainState, list[str]]:
    """Returns the latest state that can be restored, or a fresh one, and a line for each checkpoint that cannot be."""
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


def _marked(run: Run, result: dict[str, float]) -> dict[str, float]:
    """Returns what was found on the test split, with a mark where the data set is not whole."""
    return result | ({"test/partial": True} if run.data["partial"] else {})

"""The run from its config to its test accuracy."""

import contextlib
import os
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.data.views import parse_views
from jaxcnn.errors import Fault, UserError, say
from jaxcnn.train import hosts
from jaxcnn.train.card import parameter_count, run_card
from jaxcnn.train.checkpoint import Checkpoints
from jaxcnn.train.evaluate import Evaluator, over_views
from jaxcnn.train.folder import RunFolder
from jaxcnn.train.lock import Lock
from jaxcnn.train.mesh import replicated
from jaxcnn.train.preemption import Preempted, Preemption
from jaxcnn.train.schedules import ENDING
from jaxcnn.train.seeds import each
from jaxcnn.train.setup import Run, resolve, settled
from jaxcnn.train.state import TrainState, steps_taken
from jaxcnn.train.step import make_eval_step
from jaxcnn.train.training import Training
from jaxcnn.train.writers import MetricsWriter, NoWriter, Progress, print_table

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
    asked = hosts.together(lambda: settled(config, data))
    hosts.on_first(lambda: RunFolder(workdir, make=False).check(asked, force=force), None)  # before data are looked at
    run = hosts.together(lambda: resolve(config, data))
    folder = hosts.together(lambda: RunFolder(workdir))
    with contextlib.ExitStack() as stack:
        stack.enter_context(hosts.on_first(lambda: Lock(folder.path), contextlib.nullcontext()))
        stack.enter_context(contextlib.closing(run.pipeline))
        checkpoints = stack.enter_context(hosts.together(lambda: Checkpoints(folder.checkpoints)))
        result, unsaved = _go_on(run, folder, checkpoints, force=force)
    if hosts.first():
        _print_result(run, folder, result)
    if unsaved:
        raise Fault(f"the run is at its end, step {run.total_steps}, but {unsaved}")
    return {name: value for name, value in result.items() if name.startswith("test/")}


def _go_on(run: Run, folder: RunFolder, checkpoints: Checkpoints, *, force: bool) -> tuple[dict[str, float], str]:
    """Returns the results on the test split after the last step and, in words, why that is not saved, else ""."""
    last = max(checkpoints.steps(), default=0)
    if last > run.total_steps:
        raise UserError(f"{folder.path} holds step {last}, beyond the {run.total_steps} steps that were asked for")
    if last and hosts.from_first(lambda: folder.differs(run.config)):
        hosts.together(lambda: _check_fit(run, checkpoints, last))
    earlier = hosts.on_first(lambda: folder.earlier_card(run.data["fingerprint"], resumed=last > 0), None)
    gone = hosts.on_first(lambda: folder.gone(resumed=last > 0), [])
    changes = gone + hosts.on_first(lambda: folder.adopt(run.config, resumed=last > 0, force=force), [])
    _check_alike(run, folder)
    state, damaged = _first_state(run, checkpoints)
    start = steps_taken(state)
    hosts.on_first(lambda: folder.write_card(run_card(run, earlier), start, changes), None)
    evaluate = make_evaluator(run, batch_size=run.config.eval_batch_size)
    result = hosts.from_first(lambda: folder.test_result(start)) if start == run.total_steps else None
    if result:
        if hosts.first():
            for line in (*changes, f"The run in {folder.path} is finished: step {start} of {run.total_steps}."):
                say(line)
        return result, ""
    with _shown(run, folder, start) as (progress, writer):
        for line in (*damaged, *_opening(run, start), *changes, *_recomputed(run, changes)):
            progress.line(line)
        with Preemption() as preemption, _counting_skipped(run, folder, earlier, start, progress):
            training = Training(run, state, evaluate, checkpoints, writer, progress, preemption)
            state = training.until_the_end(start)
            result = _marked(run, evaluate(state.eval_variables, "test"))
            writer.write(steps_taken(state), result)
            return result, training.secure(run.total_steps)


@contextlib.contextmanager
def _counting_skipped(
    run: Run, folder: RunFolder, earlier: dict[str, Any] | None, start: int, progress: Progress
) -> Iterator[None]:
    """Adds to the run card, however the training ends, the images that it has skipped.

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
        if skipped and hosts.first():
            try:
                folder.write_card(run_card(run, earlier, skipped), start, [])
            except UserError as error:
                progress.line(f"warning: {error}")


@contextlib.contextmanager
def _shown(run: Run, folder: RunFolder, start: int) -> Iterator[tuple[Progress, MetricsWriter]]:
    """Gives what shows a run from step `start` on, and what writes its metrics: in process 0, and nothing elsewhere."""
    config = run.config
    bar = Progress(start=start, total=run.total_steps, show=config.progress, quiet=not hosts.first())
    with (
        bar as progress,
        hosts.on_first(
            lambda: MetricsWriter(folder, start=start, tensorboard=config.tensorboard, warn=progress.line), NoWriter()
        ) as writer,
    ):
        yield progress, writer


def _check_alike(run: Run, folder: RunFolder) -> None:
    """Raises `UserError` where the processes would train different things, or keep them in different places."""
    config = ConfigDict(run.config)
    config.data.dir = None
    hosts.check_same("the config", config.to_json())
    hosts.check_same("the data", run.data["fingerprint"])
    hosts.check_same("the run folder", folder.config.read_text() if folder.config.exists() else "")


def _check_fit(run: Run, checkpoints: Checkpoints, step: int) -> None:
    """Raises `UserError` where the state of a step has other arrays than this run's."""
    misfit = checkpoints.misfit(run.abstract_state(), step)
    if misfit:
        raise UserError(f"the config does not fit the state that is saved: {misfit}; use another --workdir")


def make_evaluator(run: Run, *, batch_size: int) -> Evaluator:
    """Returns what evaluates variables on a split of the run's data; `batch_size` changes no result."""
    apply_fn = over_views(run.model.apply, parse_views(run.config.eval_views))
    step = make_eval_step(apply_fn=apply_fn, loss_fn=run.eval_loss_fn)
    step = each(step, run.num_seeds, in_axes=(0, None))
    return Evaluator(step, run.pipeline, batch_size=batch_size, mesh=run.mesh)


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


def _opening(run: Run, start: int) -> list[str]:
    config, sizes, devices = run.config, run.pipeline.sizes, run.mesh.devices
    shape = "x".join(map(str, run.image_shape))
    return [
        f"{config.model.name}: {parameter_count(run):,} parameters at {shape}, {config.precision}",
        f"{config.data.name}: " + ", ".join(f"{sizes[split]:,} {split}" for split in ("train", "val", "test")),
        *(f"the data set is partial: {missing}" for missing in [_missing(run)] if missing),
        *(f"its split {split} has no labels and is left out" for split in run.data["unlabelled"]),
        *run.data["remarks"],
        f"{run.total_steps} steps of {config.batch_size} ({float(run.total_steps / run.steps_per_epoch):.1f} epochs) "
        f"on {devices.size} x {devices.flat[0].device_kind}" + (f", from step {start}" if start else ""),
        *run.remarks,
        *([f"seeds {config.seed} to {config.seed + run.num_seeds - 1} at once"] if run.num_seeds > 1 else []),
    ]


def _marked(run: Run, result: dict[str, float]) -> dict[str, float]:
    """Returns what was found on the test split, with a mark where the data set is not whole."""
    return result | ({"test/partial": True} if run.data["partial"] else {})


def _spread(result: dict[str, float]) -> str:
    """Returns, of several seeds, how many and between which accuracies."""
    each = [value for name, value in result.items() if name.startswith("test/accuracy/seed")]
    return f", the mean of {len(each)} seeds ({min(each):.2%} to {max(each):.2%})" if each else ""


def _missing(run: Run) -> str:
    """Returns what there is of the splits of which examples are missing."""
    parts = run.data["partial"] or {}
    return ", ".join(f"{part['examples']:,} of {part['of']:,} {split}" for split, part in parts.items())


def _recomputed(run: Run, changes: list[str]) -> list[str]:
    name = run.config.schedule.name
    if name not in ENDING or not any("total_" in line for line in changes):
        return []
    return [f"the {name} schedule is recomputed: it now ends at step {run.total_steps}"]


def _print_result(run: Run, folder: RunFolder, result: dict[str, float]) -> None:
    missing = _missing(run)
    print_table(
        {
            "test accuracy": f"{result['test/accuracy']:.2%}" + _spread(result),
            "test loss": f"{result['test/loss']:.4f}",
            "test examples": f"{result['test/examples']:,}" + (f" (partial data: {missing})" if missing else ""),
            "parameters": f"{parameter_count(run):,}",
            "steps": f"{run.total_steps}",
            "run folder": str(folder.path),
        }
    )

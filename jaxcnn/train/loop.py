"""The run from its config to its test accuracy."""

import contextlib
import os
from typing import Any

from ml_collections import ConfigDict

from jaxcnn.data.views import parse_views
from jaxcnn.errors import UserError
from jaxcnn.train.card import parameter_count, run_card
from jaxcnn.train.checkpoint import Checkpoints
from jaxcnn.train.evaluate import Evaluator, over_views
from jaxcnn.train.folder import RunFolder, write_json
from jaxcnn.train.lock import Lock
from jaxcnn.train.mesh import replicated
from jaxcnn.train.preemption import Preempted, Preemption
from jaxcnn.train.schedules import ENDING
from jaxcnn.train.setup import Run, resolve
from jaxcnn.train.state import TrainState
from jaxcnn.train.step import make_eval_step
from jaxcnn.train.training import Training
from jaxcnn.train.writers import MetricsWriter, Progress, print_table

__all__ = ["Preempted", "make_evaluator", "train_and_evaluate"]


def train_and_evaluate(
    config: ConfigDict, workdir: str | os.PathLike[str], *, data: Any | None = None
) -> dict[str, float]:
    """Trains what `config` asks for, goes on where `workdir` has a checkpoint of it, and evaluates the test split once.

    Args:
        config: `jaxcnn.base_config()` with changes.
        workdir: the run folder, made where missing; holds config.json, run.json, metrics.jsonl, checkpoints/ and
            TensorBoard events afterwards.
        data: in place of the data set that the config names: by split, "train", "test" and perhaps "val", a pair
            (images, labels) of uint8 (examples, height, width[, 1 or 3]) and int (examples,), or any random-access
            source of (image, label).

    Returns:
        `test/accuracy` (a share), `test/loss` (nats), `test/examples` and, where examples of the data set are missing,
        `test/partial`.

    Raises:
        UserError: for anything wrong in the config or the folder, in one line, before anything compiles; and for a
            loss or gradient that is not finite, where `config.on_nonfinite` is "stop".
        Preempted: after SIGTERM or SIGINT, once the state is saved.
    """
    run = resolve(config, data)
    folder = RunFolder(workdir)
    with (
        Lock(folder.path),
        contextlib.closing(run.pipeline),
        Checkpoints(folder.checkpoints) as checkpoints,
        contextlib.ExitStack() as at_the_end,
    ):
        last = max(checkpoints.steps(), default=0)
        if last > run.total_steps:
            raise UserError(f"{folder.path} holds step {last}, beyond the {run.total_steps} steps that were asked for")
        earlier = folder.earlier_card(run.data["fingerprint"], resumed=last > 0)
        changes = folder.adopt(run.config, resumed=last > 0)
        state, damaged = _first_state(run, checkpoints)
        start = int(state.step)
        write_json(folder.card, run_card(run, earlier))
        at_the_end.callback(lambda: write_json(folder.card, run_card(run, earlier)))  # now with what was skipped
        evaluate = make_evaluator(run, batch_size=run.config.eval_batch_size)
        result = folder.test_result(start) if start == run.total_steps else None
        if result:
            print(f"The run in {folder.path} is finished: step {start} of {run.total_steps}.")
        else:
            with (
                MetricsWriter(folder, start=start, tensorboard=run.config.tensorboard) as writer,
                Progress(start=start, total=run.total_steps, show=run.config.progress) as progress,
            ):
                for line in (*damaged, *_opening(run, start), *changes, *_recomputed(run, changes)):
                    progress.line(line)
                with Preemption() as preemption:
                    training = Training(run, state, evaluate, checkpoints, writer, progress, preemption)
                    state = training.until_the_end(start)
                result = _marked(run, evaluate(state.eval_variables, "test"))
                writer.write(int(state.step), result)
    _print_result(run, folder, result)
    return {name: value for name, value in result.items() if name.startswith("test/")}


def make_evaluator(run: Run, *, batch_size: int) -> Evaluator:
    """Returns what evaluates variables on a split of the run's data; `batch_size` changes no result."""
    apply_fn = over_views(run.model.apply, parse_views(run.config.eval_views))
    step = make_eval_step(apply_fn=apply_fn, loss_fn=run.eval_loss_fn)
    return Evaluator(step, run.pipeline, batch_size=batch_size, mesh=run.mesh)


def _first_state(run: Run, checkpoints: Checkpoints) -> tuple[TrainState, list[str]]:
    """Returns the latest state that can be restored, or a fresh one, and a line for each checkpoint that cannot be."""
    damaged: dict[int, str] = {}
    for step in reversed(checkpoints.steps()):
        try:
            state = checkpoints.restore(run.abstract_state(), replicated(run.mesh), step)
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
        f"{run.total_steps} steps of {config.batch_size} ({float(run.total_steps / run.steps_per_epoch):.1f} epochs) "
        f"on {devices.size} x {devices.flat[0].device_kind}" + (f", from step {start}" if start else ""),
    ]


def _marked(run: Run, result: dict[str, float]) -> dict[str, float]:
    """Returns what was found on the test split, with a mark where the data set is not whole."""
    return result | ({"test/partial": True} if run.data["partial"] else {})


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
            "test accuracy": f"{result['test/accuracy']:.2%}",
            "test loss": f"{result['test/loss']:.4f}",
            "test examples": f"{result['test/examples']:,}" + (f" (partial data: {missing})" if missing else ""),
            "parameters": f"{parameter_count(run):,}",
            "steps": f"{run.total_steps}",
            "run folder": str(folder.path),
        }
    )

"""The run from its config to its test accuracy."""

import collections
import contextlib
import dataclasses
import math
import os
import statistics
import time
from typing import NoReturn

import jax
from ml_collections import ConfigDict

from jaxcnn.errors import Fault, UserError
from jaxcnn.train import hosts, metrics
from jaxcnn.train.card import parameter_count, run_card
from jaxcnn.train.checkpoint import NOT_EVALUATED, Checkpoints
from jaxcnn.train.diagnose import first_nonfinite
from jaxcnn.train.dispatch import make_dispatch
from jaxcnn.train.durations import next_due
from jaxcnn.train.evaluate import Evaluator
from jaxcnn.train.folder import RunFolder
from jaxcnn.train.lock import Lock
from jaxcnn.train.mesh import AXIS, in_turn, on_every_device, replicated
from jaxcnn.train.preemption import Preempted, Preemption
from jaxcnn.train.schedules import ENDING
from jaxcnn.train.setup import Run, resolve
from jaxcnn.train.state import TrainState
from jaxcnn.train.step import make_eval_step, make_train_step
from jaxcnn.train.writers import MetricsWriter, NoWriter, Progress, print_table
from jaxcnn.types import Metrics


def train_and_evaluate(config: ConfigDict, workdir: str | os.PathLike[str], *, force: bool = False) -> dict[str, float]:
    """Trains what `config` asks for, goes on where `workdir` has a checkpoint of it, and evaluates the test split once.

    Args:
        config: `jaxcnn.base_config()` with changes.
        workdir: the run folder, made where missing; holds config.json, run.json, metrics.jsonl, checkpoints/ and
            TensorBoard events afterwards.
        force: go on with a run of another config, where its state has the same arrays.

    Returns:
        `test/accuracy` (a share), `test/loss` (nats) and `test/examples`.

    Raises:
        UserError: for anything wrong in the config or the folder, in one line, before anything compiles; and for a
            loss or gradient that is not finite, where `config.on_nonfinite` is "stop".
        Preempted: after SIGTERM or SIGINT, once the state is saved.
        Fault: the last state could not be saved, for the disk was full or gone; what was saved before stays.
    """
    run = hosts.together(lambda: resolve(config))
    folder = hosts.together(lambda: RunFolder(workdir))
    lock = hosts.on_first(lambda: Lock(folder.path), contextlib.nullcontext())
    with lock, hosts.together(lambda: Checkpoints(folder.checkpoints)) as checkpoints:
        last = max(checkpoints.steps(), default=0)
        if last > run.total_steps:
            raise UserError(f"{folder.path} holds step {last}, beyond the {run.total_steps} steps that were asked for")
        if force and last:
            hosts.together(lambda: _check_fit(run, checkpoints, last))
        changes = hosts.on_first(lambda: folder.adopt(run.config, resumed=last > 0, force=force), [])
        _check_alike(run, folder)
        state, damaged = _first_state(run, checkpoints)
        start = int(state.step)
        hosts.on_first(lambda: folder.write_card(run_card(run), start, changes), None)
        evaluate = make_evaluator(run, batch_size=run.config.eval_batch_size)
        unsaved = ""
        result = hosts.from_first(lambda: folder.test_result(start)) if start == run.total_steps else None
        if result:
            if hosts.first():
                print(f"The run in {folder.path} is finished: step {start} of {run.total_steps}.")
        else:
            with (
                Progress(
                    start=start, total=run.total_steps, show=run.config.progress, quiet=not hosts.first()
                ) as progress,
                hosts.on_first(
                    lambda: MetricsWriter(folder, start=start, tensorboard=run.config.tensorboard, warn=progress.line),
                    NoWriter(),
                ) as writer,
            ):
                for line in (*damaged, *_opening(run, start), *changes, *_recomputed(run, changes)):
                    progress.line(line)
                with Preemption() as preemption:
                    training = _Training(run, state, evaluate, checkpoints, writer, progress, preemption)
                    state = training.until_the_end(start)
                    result = evaluate(state.eval_variables, "test")
                    writer.write(int(state.step), result)
                    unsaved = training.secure(run.total_steps)
    if hosts.first():
        _print_result(run, folder, result)
    if unsaved:
        raise Fault(f"the run is at its end, step {run.total_steps}, but {unsaved}")
    return {name: value for name, value in result.items() if name.startswith("test/")}


def _check_alike(run: Run, folder: RunFolder) -> None:
    """Raises `UserError` where the processes would train different things, or keep them in different places."""
    config = ConfigDict(run.config)
    config.data.dir = None
    hosts.check_same("the config", config.to_json())
    hosts.check_same("the data", run.fingerprint)
    hosts.check_same("the run folder", folder.config.read_text() if folder.config.exists() else "")


def _check_fit(run: Run, checkpoints: Checkpoints, step: int) -> None:
    """Raises `UserError` where the state of a step has other arrays than this run's."""
    misfit = checkpoints.misfit(run.abstract_state(), step)
    if misfit:
        raise UserError(f"the config does not fit the state that is saved: {misfit}; use another --workdir")


def make_evaluator(run: Run, *, batch_size: int) -> Evaluator:
    """Returns what evaluates variables on a split of the run's data; `batch_size` changes no result."""
    step = make_eval_step(apply_fn=run.model.apply, loss_fn=run.eval_loss_fn)
    return Evaluator(step, run.pipeline, batch_size=batch_size, mesh=run.mesh)


@dataclasses.dataclass
class _Span:
    """Training between two logs: sums of its metrics, and the images and seconds that its speed is made of."""

    sums: Metrics
    images: int = 0
    seconds: float = 0.0


class _Training:
    """The training part of a run: dispatches steps and does what is due between them."""

    def __init__(
        self,
        run: Run,
        state: TrainState,
        evaluate: Evaluator,
        checkpoints: Checkpoints,
        writer: MetricsWriter,
        progress: Progress,
        preemption: Preemption,
    ) -> None:
        self.run, self.state, self.preemption = run, state, preemption
        self.evaluate, self.checkpoints, self.writer, self.progress = evaluate, checkpoints, writer, progress
        step = make_train_step(
            apply_fn=run.model.apply,
            tx=run.tx,
            loss_fn=run.loss_fn,
            ema_decay=run.config.ema.decay,
            aux_weight=run.config.loss.aux_weight,
            on_nonfinite=run.config.on_nonfinite,
            accumulate_steps=run.config.accumulate_steps,
            axis_name=AXIS if run.mapped else None,
        )
        rolled = run.mesh.devices.flat[0].platform != "cpu"
        self.dispatch = make_dispatch(step, run.pipeline.train_batch, run.mesh, rolled=rolled, mapped=run.mapped)
        self.compiled = False
        self.best = checkpoints.best()
        self.accuracy = NOT_EVALUATED
        self.losses: collections.deque[float] = collections.deque(maxlen=10)
        self.span = self._new_span()

    def until_the_end(self, step: int) -> TrainState:
        """Trains from `step` to the last one; returns the last state.

        Raises:
            Preempted: it was asked to stop, and has saved the state.
            UserError: a step was not finite and `on_nonfinite` is "stop".
        """
        run = self.run
        while step < run.total_steps:
            due = {period: self._next(step, period) for period in ("log_every", "eval_every", "checkpoint_every")}
            target = min(due.values())
            step = self._advance(step, target)
            self._check_finite()
            if step < target:
                self._leave(step)
            if due["log_every"] == step:
                self._log(step)
            self.accuracy = self._validate(step) if due["eval_every"] == step else NOT_EVALUATED
            if self.accuracy > self.best or due["checkpoint_every"] == step:
                self._warn_of(self.checkpoints.save(step, self.state, self.accuracy))
            self.best = max(self.best, self.accuracy)
            if self.preemption.asked and step < run.total_steps:
                self._leave(step)
        return self.state

    def _leave(self, step: int) -> NoReturn:
        """Saves the state of `step` where that is not done yet, and stops."""
        unsaved = self.secure(step) if step > 0 else ""
        if unsaved:
            raise Fault(f"stopped at step {step}, but {unsaved}")
        raise Preempted(step)

    def secure(self, step: int) -> str:
        """Sees to it that the state, that of `step`, is saved; returns in words what is in the way, else ""."""
        trouble = self.checkpoints.settle()
        if step in self.checkpoints.steps():
            return ""
        trouble = self.checkpoints.save(step, self.state, self.accuracy) or self.checkpoints.settle() or trouble
        saved = self.checkpoints.steps()
        if step in saved:
            return ""
        return f"{trouble}; " + (f"step {saved[-1]} is the last that is saved" if saved else "nothing is saved")

    def _warn_of(self, trouble: str) -> None:
        """Shows what has gone wrong with a checkpoint; several processes end, since they write each one together."""
        if trouble and jax.process_count() > 1:
            raise Fault(f"{trouble}; what was saved before can be gone on from")
        if trouble:
            self.progress.line(f"warning: {trouble}; the training goes on, and the next one is tried")

    def _check_finite(self) -> None:
        run = self.run
        if run.config.on_nonfinite != "stop" or not int(self.span.sums["nonfinite"]):
            return
        step = int(self.state.step)  # the bad step has left the state as it was before it
        batch = jax.jit(run.pipeline.train_batch)(run.pipeline.feed(step), step)
        key = jax.random.fold_in(run.step_key, step)
        what = first_nonfinite(run.model, run.loss_fn, self.state.variables, batch, key)
        saved = max(self.checkpoints.steps(), default=0)
        kept = f"the checkpoint of step {saved} is good" if saved else "no checkpoint had been written"
        raise UserError(
            f"step {step + 1} is not finite, first {what}; {kept}: lower optimizer.learning_rate, set "
            f"optimizer.clip_norm, or leave such steps out with on_nonfinite=skip"
        )

    def _next(self, step: int, key: str) -> int:
        return min(next_due(step, getattr(self.run, key)), self.run.total_steps)

    def _advance(self, step: int, target: int) -> int:
        """Trains from `step` to `target`, or until it is asked to stop; returns the step it has reached."""
        began = time.perf_counter()
        while step < target and not self.preemption.asked:
            whole = self.run.steps_per_dispatch
            num_steps = whole if step + whole <= target else 1  # two compiled programs at most
            feed = self.run.pipeline.feed(step)
            carry = self.dispatch(self.state, self.span.sums, feed, self.run.step_key, num_steps=num_steps)
            self.state, self.span.sums = in_turn(self.run.mesh, carry)
            step += num_steps
            self.progress.advance(step)
            if self.compiled:
                self.span.images += num_steps * self.run.config.batch_size
            else:  # the speed leaves out the first call, which compiles
                jax.block_until_ready(self.span.sums)
                self.compiled, began = True, time.perf_counter()
        jax.block_until_ready(self.span.sums)
        self.span.seconds += time.perf_counter() - began
        return step

    def _new_span(self) -> _Span:
        return _Span(sums=on_every_device(self.run.mesh, jax.device_get(metrics.zeros())))

    def _log(self, step: int) -> None:
        means = metrics.means([self.span.sums])
        values = {f"train/{name}": value for name, value in means.items()} | {
            "train/images_per_second": self.span.images / max(self.span.seconds, 1e-9),
            "train/learning_rate": float(self.run.learning_rate(step - 1)),
            "epoch": float(step / self.run.steps_per_epoch),
        }
        skipped = int(self.span.sums["nonfinite"])
        self.writer.write(step, values | ({"train/nonfinite": skipped} if skipped else {}))
        self.progress.show(values)
        if skipped:
            self.progress.line(f"warning: up to step {step}, {skipped} steps were not finite and are left out")
        self._watch_for_a_spike(step, means["loss"])
        if jax.process_count() == 1:
            self._warn_of(self.checkpoints.settle(wait=False))
        self.span = self._new_span()

    def _watch_for_a_spike(self, step: int, loss: float) -> None:
        """Warns of a loss three times the median of the last ten logged, and half a nat above it."""
        if len(self.losses) == self.losses.maxlen and loss > max(
            3 * (usual := statistics.median(self.losses)), usual + 0.5
        ):
            self.progress.line(f"warning: at step {step} the training loss is {loss:.4f}, after {usual:.4f}")
        if math.isfinite(loss):
            self.losses.append(loss)

    def _validate(self, step: int) -> float:
        values = self.evaluate(self.state.eval_variables, "val")
        self.writer.write(step, values)
        epoch = float(step / self.run.steps_per_epoch)
        scores = f"val/accuracy {values['val/accuracy']:.2%}  val/loss {values['val/loss']:.4f}"
        self.progress.line(f"step {step} (epoch {epoch:.1f})  {scores}")
        return values["val/accuracy"]


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
    shape = "x".join(map(str, run.pipeline.image_shape))
    return [
        f"{config.model.name}: {parameter_count(run):,} parameters at {shape}, {config.precision}",
        f"{config.data.name}: " + ", ".join(f"{sizes[split]:,} {split}" for split in ("train", "val", "test")),
        f"{run.total_steps} steps of {config.batch_size} ({float(run.total_steps / run.steps_per_epoch):.1f} epochs) "
        f"on {devices.size} x {devices.flat[0].device_kind}" + (f", from step {start}" if start else ""),
    ]


def _recomputed(run: Run, changes: list[str]) -> list[str]:
    name = run.config.schedule.name
    if name not in ENDING or not any("total_" in line for line in changes):
        return []
    return [f"the {name} schedule is recomputed: it now ends at step {run.total_steps}"]


def _print_result(run: Run, folder: RunFolder, result: dict[str, float]) -> None:
    print_table(
        {
            "test accuracy": f"{result['test/accuracy']:.2%}",
            "test loss": f"{result['test/loss']:.4f}",
            "test examples": f"{result['test/examples']:,}",
            "parameters": f"{parameter_count(run):,}",
            "steps": f"{run.total_steps}",
            "run folder": str(folder.path),
        }
    )

"""The run from its config to its test accuracy."""

import collections
import contextlib
import dataclasses
import math
import os
import statistics
import time
from typing import Any, NoReturn

import jax
from ml_collections import ConfigDict

from jaxcnn.data.views import parse_views
from jaxcnn.errors import UserError
from jaxcnn.train import metrics
from jaxcnn.train.card import parameter_count, run_card
from jaxcnn.train.checkpoint import NOT_EVALUATED, Checkpoints
from jaxcnn.train.diagnose import first_nonfinite
from jaxcnn.train.dispatch import make_dispatch
from jaxcnn.train.durations import next_due
from jaxcnn.train.evaluate import Evaluator, over_views
from jaxcnn.train.folder import RunFolder, write_json
from jaxcnn.train.lock import Lock
from jaxcnn.train.mesh import AXIS, in_turn, replicated
from jaxcnn.train.preemption import Preempted, Preemption
from jaxcnn.train.schedules import ENDING
from jaxcnn.train.setup import Run, resolve
from jaxcnn.train.state import TrainState
from jaxcnn.train.step import TrainStep, make_eval_step, make_train_step
from jaxcnn.train.writers import MetricsWriter, Progress, print_table
from jaxcnn.types import Metrics


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
    with Lock(folder.path), contextlib.closing(run.pipeline), Checkpoints(folder.checkpoints) as checkpoints:
        last = max(checkpoints.steps(), default=0)
        if last > run.total_steps:
            raise UserError(f"{folder.path} holds step {last}, beyond the {run.total_steps} steps that were asked for")
        earlier = folder.earlier_card(run.data["fingerprint"], resumed=last > 0)
        changes = folder.adopt(run.config, resumed=last > 0)
        state, damaged = _first_state(run, checkpoints)
        start = int(state.step)
        write_json(folder.card, run_card(run, earlier))
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
                    training = _Training(run, state, evaluate, checkpoints, writer, progress, preemption)
                    state = training.until_the_end(start)
                result = _marked(run, evaluate(state.eval_variables, "test"))
                writer.write(int(state.step), result)
        write_json(folder.card, run_card(run, earlier))  # now with what was skipped
    _print_result(run, folder, result)
    return {name: value for name, value in result.items() if name.startswith("test/")}


def make_step(run: Run) -> TrainStep:
    """Returns the pure training step of the run; under pmap it is one device's part."""
    return make_train_step(
        apply_fn=run.model.apply,
        tx=run.tx,
        loss_fn=run.loss_fn,
        ema_decay=run.config.ema.decay,
        aux_weight=run.config.loss.aux_weight,
        on_nonfinite=run.config.on_nonfinite,
        accumulate_steps=run.config.accumulate_steps,
        axis_name=AXIS if run.mapped else None,
    )


def make_evaluator(run: Run, *, batch_size: int) -> Evaluator:
    """Returns what evaluates variables on a split of the run's data; `batch_size` changes no result."""
    apply_fn = over_views(run.model.apply, parse_views(run.config.eval_views))
    step = make_eval_step(apply_fn=apply_fn, loss_fn=run.eval_loss_fn)
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
        rolled = run.mesh.devices.flat[0].platform != "cpu"
        get_batch = run.pipeline.train_batch
        self.dispatch = make_dispatch(make_step(run), get_batch, run.mesh, rolled=rolled, mapped=run.mapped)
        self.compiled = False
        self.best = checkpoints.best()
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
            accuracy = self._validate(step) if due["eval_every"] == step else NOT_EVALUATED
            if accuracy > self.best or due["checkpoint_every"] == step:
                self.checkpoints.save(step, self.state, accuracy)
            self.best = max(self.best, accuracy)
            if self.preemption.asked and step < run.total_steps:
                self._leave(step)
        return self.state

    def _leave(self, step: int) -> NoReturn:
        """Saves the state of `step` where that is not done yet, and stops."""
        if step > 0 and step not in self.checkpoints.steps():
            self.checkpoints.save(step, self.state)
        raise Preempted(step)

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
        return _Span(sums=jax.device_put(metrics.zeros(), replicated(self.run.mesh)))

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

"""The training of a run: steps, and between them what is due."""

import collections
import math
import statistics
import time
from typing import NoReturn

import jax
import numpy as np
from jax.sharding import Mesh

from jaxcnn.accel.platform import chooser
from jaxcnn.config.durations import next_due
from jaxcnn.errors import Fault, UserError
from jaxcnn.layers.remat import rematerialize
from jaxcnn.models import over_axis
from jaxcnn.train.devices.mesh import AXIS, in_turn, on_every_device, platform_of
from jaxcnn.train.dispatch import Dispatch, make_dispatch
from jaxcnn.train.evaluate import Evaluator
from jaxcnn.train.files.checkpoint import NOT_EVALUATED, Checkpoints
from jaxcnn.train.hooks.diagnose import first_nonfinite
from jaxcnn.train.hooks.preemption import Preempted, Preemption
from jaxcnn.train.hooks.progress import Progress
from jaxcnn.train.hooks.writers import MetricsWriter
from jaxcnn.train.run import Run
from jaxcnn.train.seeds import one_of
from jaxcnn.train.span import Span
from jaxcnn.train.state import TrainState
from jaxcnn.train.step import TrainStep, make_train_step


def make_step(run: Run, mesh: Mesh | None = None) -> TrainStep:
    """Returns the pure training step of the run, on its own mesh or another; under pmap it is one device's part."""
    return make_train_step(
        apply_fn=rematerialize(run.model.apply) if run.config.model.remat else run.model.apply,
        tx=run.tx,
        loss_fn=run.loss_fn,
        metrics=run.metrics,
        ema_decay=run.config.ema.decay,
        aux_weight=run.config.loss.aux_weight,
        on_nonfinite=run.config.on_nonfinite,
        choose=chooser(run.forms_on(mesh or run.mesh)),
        accumulate_steps=run.config.accumulate_steps,
        axis_name=AXIS if run.mapped else None,
    )


def make_run_dispatch(run: Run, mesh: Mesh | None = None) -> Dispatch:
    """Returns the compiled steps of the run, as of `make_dispatch`, on its own mesh or another."""
    mesh = mesh or run.mesh
    return make_dispatch(
        make_step(run, mesh),
        run.pipeline.train_batch,
        mesh,
        rolled=platform_of(mesh) != "cpu",
        mapped=run.mapped,
        num_seeds=run.num_seeds,
    )


class Training:
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
        self.dispatch = make_run_dispatch(run)
        self.chance = run.chance
        self.compiled: set[int] = set()
        self.unwritten: int | None = None
        self.best = checkpoints.best()
        self.accuracy = NOT_EVALUATED
        self.losses: collections.deque[float] = collections.deque(maxlen=10)
        self.span = self._new_span()

    def until_the_end(self, step: int) -> TrainState:
        """Trains from `step` to the last one; returns the last state.

        Raises:
            Preempted: it was asked to stop, and has saved the state.
            Fault: it was asked to stop, and cannot save the state.
            UserError: a step was not finite and `on_nonfinite` is "stop".
        """
        run = self.run
        while step < run.total_steps:
            due = {period: self._next(step, period) for period in ("log_every", "eval_every", "checkpoint_every")}
            target = min(due.values())
            self.accuracy = NOT_EVALUATED  # that of the step before is not that of one where it is asked to stop
            step = self._advance(step, target)
            self._check_finite()
            if step < target:
                self._leave(step)
            if due["log_every"] == step:
                self._log(step)
            if due["eval_every"] == step:
                self.accuracy = self._validate(step)
            if self.accuracy > self.best or due["checkpoint_every"] == step:
                trouble = self._save(step)
                self._warn_of(trouble)
                self.best = self.checkpoints.best() if trouble else max(self.best, self.accuracy)
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
        trouble = self._settle()
        if step in self.checkpoints.steps():
            return self.checkpoints.carried_over()
        trouble = self._save(step) or self._settle() or trouble
        saved = self.checkpoints.steps()
        if step in saved:
            return self.checkpoints.carried_over()
        return f"{trouble}; " + (f"step {saved[-1]} is the last that is saved" if saved else "nothing is saved")

    def _save(self, step: int) -> str:
        """Begins to save the state; returns what has gone wrong with that or with the save before it, else ""."""
        trouble = self._settle()
        trouble = self.checkpoints.save(step, self.state, self.accuracy) or trouble
        self.unwritten = None if trouble else step
        return trouble

    def _settle(self, *, wait: bool = True) -> str:
        """Says that a checkpoint is written once it is; returns what has gone wrong with it, else ""."""
        trouble = self.checkpoints.settle(wait=wait)
        if trouble:
            self.unwritten = None
        elif self.unwritten is not None and not self.checkpoints.writing:
            self.progress.note(f"checkpoint of step {self.unwritten} written")
            self.unwritten = None
        return trouble

    def _warn_of(self, trouble: str) -> None:
        """Shows what has gone wrong with a checkpoint; several processes end, since they write each one together."""
        if trouble and jax.process_count() > 1:
            raise Fault(f"{trouble}; what was saved before can be gone on from")
        if trouble:
            self.progress.line(f"warning: {trouble}; the training goes on, and the next one is tried")

    def _check_finite(self) -> None:
        run = self.run
        bad = np.atleast_1d(jax.device_get(self.span.sums["nonfinite"]))
        if run.config.on_nonfinite != "stop" or not bad.any():
            return
        number = int(np.argmax(bad))
        state, chance = one_of((self.state, self.chance), number, run.num_seeds)
        step = int(state.step)  # the bad step has left the state as it was before it
        batch = jax.jit(run.pipeline.train_batch)(run.pipeline.feed(step), step, chance.seed)
        key = jax.random.fold_in(chance.key, step)
        model = over_axis(run.model, None) if run.mapped else run.model
        what = first_nonfinite(model, run.loss_fn, state.variables, batch, key)
        of_seed = f" of seed {int(chance.seed)}" if run.num_seeds > 1 else ""
        saved = max(self.checkpoints.steps(), default=0)
        kept = f"the checkpoint of step {saved} is good" if saved else "no checkpoint had been written"
        raise UserError(
            f"step {step + 1}{of_seed} is not finite, first {what}; {kept}: lower optimizer.learning_rate, set "
            f"optimizer.clip_norm, or leave such steps out with on_nonfinite=skip"
        )

    def _next(self, step: int, key: str) -> int:
        return min(next_due(step, getattr(self.run, key)), self.run.total_steps)

    def _advance(self, step: int, target: int) -> int:
        """Trains from `step` to `target`, or until it is asked to stop; returns the step it has reached."""
        began, compiling = time.perf_counter(), 0.0
        while step < target and not self.preemption.asked:
            whole = self.run.steps_per_dispatch
            num_steps = whole if step + whole <= target else 1  # two compiled programs at most
            if num_steps in self.compiled:
                step = self._take(step, num_steps)
                self.span.images += num_steps * self.run.config.batch_size * self.run.num_seeds
            else:
                called = time.perf_counter()
                step = self._compile(step, num_steps)
                compiling += time.perf_counter() - called
        jax.block_until_ready(self.span.sums)
        self.span.seconds += time.perf_counter() - began - compiling
        return step

    def _take(self, step: int, num_steps: int) -> int:
        """Takes so many steps after `step` in one call; returns the step that is reached, maybe not computed yet."""
        feed = self.run.pipeline.feed(step)
        carry = self.dispatch(self.state, self.span.sums, feed, self.chance, num_steps=num_steps)
        self.state, self.span.sums = in_turn(self.run.mesh, carry)
        self.progress.advance(step + num_steps)
        return step + num_steps

    def _compile(self, step: int, num_steps: int) -> int:
        """Does as `_take`, for the first call of so many steps, which compiles, and waits for it."""
        jax.block_until_ready(self.span.sums)
        began = time.perf_counter()
        self.progress.doing("compiling", f"{num_steps} training steps" if num_steps > 1 else "a training step")
        step = self._take(step, num_steps)
        jax.block_until_ready(self.span.sums)
        self.compiled.add(num_steps)
        self.progress.ready(time.perf_counter() - began)
        return step

    def _new_span(self) -> Span:
        return Span(sums=on_every_device(self.run.mesh, self.run.no_sums()))

    def _log(self, step: int) -> None:
        values = self.span.values(self.run.seeds)
        values["train/learning_rate"] = float(jax.jit(self.run.learning_rate)(step - 1))
        skipped = int(np.sum(jax.device_get(self.span.sums["nonfinite"])))
        self.writer.write(step, values | ({"train/nonfinite": skipped} if skipped else {}))
        self.progress.log(step, values)
        if skipped:
            self.progress.line(f"warning: up to step {step}, {skipped} steps were not finite and are left out")
        self._watch_for_a_spike(step, values["train/loss"])
        if jax.process_count() == 1:
            self._warn_of(self._settle(wait=False))
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
        self.progress.doing("evaluating", "the validation split")
        values = self.evaluate(self.state, "val")
        self.writer.write(step, values)
        accuracy = values["val/accuracy"]
        self.progress.validated(step, values, best=accuracy > self.best)
        return accuracy

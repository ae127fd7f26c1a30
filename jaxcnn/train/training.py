"""The training of a run: steps, and the events between them."""

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jaxcnn.accel.platform import chooser
from jaxcnn.accel.remat import rematerialize
from jaxcnn.errors import UserError
from jaxcnn.train.devices import hosts
from jaxcnn.train.devices.mesh import AXIS, in_turn, on_every_device, platform_of
from jaxcnn.train.dispatch import Dispatch, make_dispatch
from jaxcnn.train.evaluate import Evaluator, Outputs
from jaxcnn.train.events import Hooks
from jaxcnn.train.finite import guarded
from jaxcnn.train.run import Run
from jaxcnn.train.span import Span
from jaxcnn.train.state import TrainState, steps_taken
from jaxcnn.train.step import TrainStep, make_train_step

_LONG = {"val": "validation"}
"""Names of splits in messages."""


def make_step(run: Run, mesh: Mesh | None = None) -> TrainStep:
    """Returns the pure training step of the run, on its own mesh or another; with pmap, for one device's part."""
    settings, choose = run.settings, chooser(run.forms_on(mesh or run.mesh))
    if run.step is not None:
        return guarded(run.step, settings.on_nonfinite, choose)
    return make_train_step(
        **gradient_parts(run, mesh or run.mesh),
        tx=run.tx,
        ema_decay=settings.ema_decay,
        on_nonfinite=settings.on_nonfinite,
        choose=choose,
        freeze=settings.train.freeze,
        freeze_norms=settings.train.freeze_norms,
    )


def gradient_parts(run: Run, mesh: Mesh) -> dict[str, Any]:
    """Returns what `make_gradient` is given for the step of the run on a mesh, besides what is frozen."""
    settings = run.settings
    apply_fn = run.apply_on(mesh, looped=settings.sharing.parts > 1)
    return {
        "apply_fn": rematerialize(apply_fn) if settings.model.remat else apply_fn,
        "loss_fn": run.loss_fn,
        "metrics": run.metrics,
        "aux_weight": settings.loss.aux_weight,
        "accumulate_steps": settings.sharing.parts,
        "axis_name": AXIS if run.mapped else None,
    }


def make_run_dispatch(run: Run, mesh: Mesh | None = None) -> Dispatch:
    """Returns `make_dispatch` for the run, on its own mesh or another."""
    mesh = mesh or run.mesh
    return make_dispatch(
        make_step(run, mesh),
        run.batches_on(mesh),
        mesh,
        rolled=platform_of(mesh) != "cpu",
        mapped=run.mapped,
        num_seeds=run.num_seeds,
    )


class Training:
    """A run in training. Hooks get it, and may ask it to stop, log or evaluate."""

    def __init__(
        self,
        run: Run,
        workdir: str | Path,
        state: TrainState,
        *,
        evaluate: Evaluator,
        hooks: Sequence[Any] = (),
        history: Iterable[Mapping[str, Any]] = (),
        seconds: Callable[[], float] = float,
    ) -> None:
        """Makes a training that begins at the step of `state`.

        Args:
            run: to train.
            workdir: the run folder, as the user named it.
            state: initial or restored; it is donated to the first step.
            evaluate: gives the metrics and predictions of a state on a split.
            hooks: ours and a user's, see `jaxcnn.train.events`.
            history: rows that earlier starts logged.
            seconds: returns the duration of the run so far.
        """
        self.run, self.workdir, self.state = run, workdir, state
        self.step = steps_taken(state)
        """Number of steps so far."""
        self.history: list[dict[str, Any]] = [dict(row) for row in history]
        """All logged rows of the run, as in metrics.jsonl, including earlier starts."""
        self.stopped = ""
        """Why the run ended before its last step, else ""."""
        self.paused = False
        """Whether the training ends at this step, so that another start goes on."""
        self._asked = ""
        self._evaluate, self._seconds, self._predicted = evaluate, seconds, set[str]()
        self._hooks = Hooks(hooks, first=hosts.first())
        self._dispatch, self._compiled = make_run_dispatch(run), set[int]()
        self.randomness = run.randomness
        """Random seed and key of the run."""
        self.span = self._new_span()
        """Metrics and speed since the last log."""

    def stop(self, reason: str) -> None:
        """Ends the run at the next step that is due for any hook. The state is saved and tested.

        Of several processes only the first one's request counts.
        """
        self._asked = self._asked or " ".join(str(reason).split()) or "a hook asked for it"

    def pause(self) -> None:
        """Stops after this step. The state is saved, and the same command goes on from there."""
        self.paused = True

    def say(self, text: str) -> None:
        """Shows a line to the user."""
        self._hooks.tell("said", text)

    def log(self, values: Mapping[str, float]) -> None:
        """Logs training metrics of this step, with names such as `train/loss`, as a row of the history."""
        self._record("log", values)

    def evaluate(self, split: str, marks: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Evaluates the state on a split; returns and logs its metrics, such as `{split}/loss`, and `marks`."""
        self._hooks.tell("busy", "evaluating", f"the {_LONG.get(split, split)} split")
        values: dict[str, Any] = dict(marks or {})
        if self.stopped or self.step == self.run.total_steps:
            values |= self._predict(split)
        else:
            values |= self._evaluate(self.state, split)
        self._record("evaluated", values)
        return values

    def examine(self, state: TrainState, split: str) -> tuple[dict[str, float], Outputs]:
        """Returns the metrics of any state of the run on a split, and its outputs; nothing is logged."""
        return self._evaluate.predict(state, split)

    def note(self, values: Mapping[str, Any]) -> None:
        """Logs results of this step that are of another net than the last state, with names such as `swa/val/loss`."""
        self._record("evaluated", values)

    def keep_predictions(self) -> None:
        """Tells hooks the predictions of the last state on the validation split, if they are not told yet."""
        if "val" not in self._predicted:
            self._predict("val")

    def _predict(self, split: str) -> dict[str, float]:
        """Returns the metrics of the state on a split, and tells hooks its predictions."""
        values, outputs = self._evaluate.predict(self.state, split)
        self._predicted.add(split)
        self._hooks.tell("predicted", split, outputs)
        return values

    def tell(self, event: str, *values: Any) -> None:
        """Calls the method of that name of all hooks."""
        self._hooks.tell(event, *values)

    def running(self) -> contextlib.AbstractContextManager[None]:
        """Returns the context that starts and closes hooks, see `Hooks.running`."""
        return self._hooks.running(self)

    def train(self) -> None:
        """Trains to the last step, or until it is stopped or paused. It does not save the state."""
        while self.step < self.run.total_steps and not self.paused and not self.stopped:
            self._advance(self._hooks.due(self.step, self.run.total_steps))
            self._check_count()
            self._hooks.tell("reached", self.step)
            self.stopped = hosts.from_first(lambda: self._asked)

    def take_span(self) -> Span:
        """Returns the metrics and speed since the last call, and starts new ones."""
        span, self.span = self.span, self._new_span()
        return span

    def _record(self, event: str, values: Mapping[str, Any]) -> None:
        epoch = float(self.step / self.run.steps_per_epoch)
        values = {name: _number(name, value) for name, value in values.items()}
        self.history.append({"step": self.step, "epoch": epoch, "time": self._seconds(), **values})
        self._hooks.tell(event, self.step, values)

    def _advance(self, target: int) -> None:
        """Trains up to `target`, or until it is stopped or paused."""
        began, compiling, waited = time.perf_counter(), 0.0, 0.0
        while self.step < target and not self.paused and not (self._asked and jax.process_count() == 1):
            whole = self.run.steps_per_dispatch
            num_steps = whole if self.step + whole <= target else 1  # two compiled programs at most
            if num_steps in self._compiled:
                waited += self._take(num_steps)
                self.span.images += num_steps * self.run.batch_size * self.run.num_seeds
            else:
                called = time.perf_counter()
                self._compile(num_steps)
                compiling += time.perf_counter() - called
            self._hooks.tell("stepped", self.step)
        queued = time.perf_counter()
        jax.block_until_ready(self.span.sums)
        ended = time.perf_counter()
        self.span.seconds += ended - began - compiling
        self.span.waited += max(waited - (ended - queued), 0.0)  # what was queued was computed while the loop waited

    def _take(self, num_steps: int) -> float:
        """Takes `num_steps` steps in one call; returns the seconds for which it waited for their data.

        The steps may not be finished when it returns.
        """
        began = time.perf_counter()
        feed = self.run.pipeline.feed(self.step)
        waited = time.perf_counter() - began
        carry = self._dispatch(self.state, self.span.sums, feed, self.randomness, num_steps=num_steps)
        self.state, self.span.sums = in_turn(self.run.mesh, carry)
        self.step += num_steps
        return waited

    def _compile(self, num_steps: int) -> None:
        """Takes the first `num_steps` steps, which compiles, and waits for them."""
        jax.block_until_ready(self.span.sums)
        began = time.perf_counter()
        self._hooks.tell("busy", "compiling", f"{num_steps} training steps" if num_steps > 1 else "a training step")
        self._take(num_steps)
        jax.block_until_ready(self.span.sums)
        self._compiled.add(num_steps)
        self._hooks.tell("compiled", time.perf_counter() - began)

    def _check_count(self) -> None:
        """Raises `UserError` if a user's training step does not count in `state.step`."""
        if self.run.step is None or np.any(jax.device_get(self.span.sums["nonfinite"])):
            return
        if steps_taken(self.state) != self.step:
            raise UserError(f"after {self.step} steps state.step is {steps_taken(self.state)}: each must add 1 to it")

    def _new_span(self) -> Span:
        return Span(sums=on_every_device(self.run.mesh, self.run.no_sums()))


def _number(name: str, value: Any) -> float:
    """Returns a logged value as a Python number; raises `UserError` if it is not a number."""
    if isinstance(value, bool | int | float):
        return value
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UserError(f"{name} is {value!r:.60}: what is logged must be a number") from None

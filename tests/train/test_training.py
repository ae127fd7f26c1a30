"""What is due between steps: what is logged, evaluated and saved, and of which step. No step is computed here."""

import types

import jax
import jax.numpy as jnp
import pytest

from jaxcnn.accel.cpu.finite import choose_whole
from jaxcnn.errors import UserError
from jaxcnn.train import training
from jaxcnn.train.events import Hooks, check_hook, find_hook, misspelt
from jaxcnn.train.files.checkpoint import NOT_EVALUATED
from jaxcnn.train.hooks.evaluation import Evaluation
from jaxcnn.train.hooks.log import Log, Spikes
from jaxcnn.train.hooks.preemption import Preemption
from jaxcnn.train.hooks.progress import Progress
from jaxcnn.train.hooks.saving import Saving
from jaxcnn.train.parts import metrics
from jaxcnn.train.setup import make_run
from jaxcnn.train.state import TrainState
from jaxcnn.train.training import Training, make_step
from tests.train.small_runs import ARRAYS, config


def run_of(**changes):
    return make_run(config(**changes), data=ARRAYS, devices=jax.devices()[:1])


@pytest.fixture(scope="module")
def run():
    return run_of(**{"ema.decay": 0.9})


class Recorder:
    """Checkpoints, evaluator and hook of a run, which keep what they are given."""

    def __init__(self, accuracies=()):
        self.accuracies, self.saved, self.lines, self.seen, self.said_lines = list(accuracies), [], [], [], []
        self.writing = None

    def best(self):
        return max((accuracy for _, accuracy in self.saved), default=NOT_EVALUATED)

    def steps(self):
        return [step for step, _ in self.saved]

    def save(self, step, state, accuracy):
        self.saved.append((step, accuracy))

    def settle(self, *, wait=True):
        pass

    def carry_over(self):
        pass

    def log(self, step, values):
        self.lines.append((step, values))

    def said(self, text):
        self.said_lines.append(text)

    def __call__(self, state, split):
        self.seen.append((state.eval_variables, split))
        return {f"{split}/loss": 1.0, f"{split}/accuracy": self.accuracies.pop(0)}

    def predict(self, state, split):
        return self(state, split), None


def training_of(run, monkeypatch, recorder, *hooks, after=lambda step: None):
    """Returns the training of a run whose steps do nothing but count, and its saving; `after` each it does more."""

    def dispatch(state, sums, feed, randomness, *, num_steps):
        state = state.replace(step=state.step + num_steps)
        after(int(state.step))
        return state, metrics.add(sums, {**metrics.zeros(), "examples": jnp.int32(8)})

    monkeypatch.setattr(training, "make_dispatch", lambda *_, **__: dispatch)
    last, average = ({"params": jnp.full(1, value)} for value in (1.0, 2.0))
    state = TrainState(step=jnp.int32(0), **last, collections={}, opt_state=(), ema=average)
    saving = Saving(recorder, run.checkpoint_every)
    own = [recorder, Log(run.log_every), Evaluation(run.eval_every), saving, *hooks]
    return Training(run, "runs/mine", state, evaluate=recorder, hooks=own), saving


def train(run, monkeypatch, recorder, *hooks, **options):
    found, _ = training_of(run, monkeypatch, recorder, *hooks, **options)
    with found.running():
        found.train()
    return found


@pytest.mark.parametrize(
    ("queued", "shares"), [(0.0, [0.5, 0.5, 0.5]), (0.02, [0.25, 0.25, 0.08 / 0.22]), (0.3, [0.0, 0.0, 0.0])]
)
def test_waiting_for_data_is_logged_but_for_the_time_that_queued_steps_take(run, monkeypatch, queued, shares):
    """By a clock that only data, steps and the wait for queued steps move on."""
    clock, feed, ready = [0.0], run.pipeline.feed, jax.block_until_ready

    def pass_by(seconds):
        clock[0] += seconds

    monkeypatch.setattr(training, "time", types.SimpleNamespace(perf_counter=lambda: clock[0]))
    monkeypatch.setattr(training, "in_turn", lambda _, value: value)
    monkeypatch.setattr(type(run.pipeline), "feed", lambda _, step: [pass_by(0.05), feed(step)][1])
    monkeypatch.setattr(jax, "block_until_ready", lambda value: [pass_by(queued), ready(value)][1])
    recorder = Recorder(accuracies=[0.5, 0.5])
    train(run, monkeypatch, recorder, after=lambda _: pass_by(0.05))
    waits = [values["train/data_wait"] for _, values in recorder.lines if "train/loss" in values]
    assert waits == pytest.approx(shares, abs=1e-3)


def test_a_step_is_made_as_the_config_says(monkeypatch):
    monkeypatch.setattr(training, "make_train_step", lambda **options: options)
    asked = {"ema.decay": 0.5, "loss.aux_weight": 0.25, "on_nonfinite": "skip", "accumulate_steps": 2}
    made = make_step(run_of(**asked))
    assert [made[key] for key in ("ema_decay", "aux_weight", "on_nonfinite", "accumulate_steps")] == [*asked.values()]
    assert made["choose"] is choose_whole


def test_a_checkpoint_has_the_accuracy_of_its_own_step_and_no_other(run, monkeypatch):
    recorder = Recorder([0.5, 0.25])
    train(run, monkeypatch, recorder)
    assert recorder.saved == [(2, NOT_EVALUATED), (3, 0.5), (4, NOT_EVALUATED), (6, 0.25)]


def test_a_checkpoint_of_a_run_that_is_asked_to_stop_has_no_accuracy_of_an_earlier_step(monkeypatch):
    recorder, preemption = Recorder([0.5]), Preemption()
    monkeypatch.setattr(Preemption, "asked", False)
    run = run_of(log_every="9 steps", checkpoint_every="9 steps")
    found, saving = training_of(
        run, monkeypatch, recorder, preemption, after=lambda step: monkeypatch.setattr(Preemption, "asked", step == 4)
    )
    with found.running():
        found.train()
        assert (found.step, found.paused) == (4, True)
        saving.secure(found.step)
    assert recorder.saved == [(3, 0.5), (4, NOT_EVALUATED)]


def test_validation_looks_at_the_moving_average(run, monkeypatch):
    recorder = Recorder([0.5, 0.5])
    found = train(run, monkeypatch, recorder)
    assert [(variables is found.state.ema, split) for variables, split in recorder.seen] == [(True, "val")] * 2


def test_the_learning_rate_that_is_logged_is_that_of_the_last_step(run, monkeypatch):
    recorder = Recorder([0.5, 0.5])
    train(run, monkeypatch, recorder)
    logged = {step: values["train/learning_rate"] for step, values in recorder.lines}
    assert logged == {step: pytest.approx(float(run.learning_rate(step - 1))) for step in (2, 4, 6)}


def test_of_equal_validations_the_first_is_the_best(capsys):
    bar = Progress(start=0, total=6)
    for step in (3, 6):
        bar.evaluated(step, {"val/loss": 1.0, "val/accuracy": 0.5})
    assert ["best so far" in line for line in capsys.readouterr().out.splitlines()] == [True, False]


@pytest.mark.parametrize(
    ("usual", "loss", "warned"), [(1.0, 2.9, False), (1.0, 3.1, True), (0.1, 0.55, False), (0.1, 0.65, True)]
)
def test_a_loss_is_a_spike_three_times_as_high_and_half_a_nat_above(usual, loss, warned):
    spikes, lines = Spikes(), []
    spikes.start(types.SimpleNamespace(say=lines.append))
    for step in range(10):
        spikes.log(step, {"train/loss": usual})
    assert lines == []
    spikes.log(10, {"train/loss": loss})
    assert bool(lines) == warned


def test_the_speed_counts_the_images_of_every_seed(monkeypatch):
    found, _ = training_of(run_of(num_seeds=3), monkeypatch, Recorder())
    found._advance(3)  # of which the first call compiles
    assert found.span.images == 2 * 8 * 3


class Listener:
    """A hook that asks for an end, and notes what it is told."""

    def __init__(self, stop_at=None):
        self.told, self.stop_at = [], stop_at

    def start(self, training):
        self.training = training
        self.told.append("start")

    def evaluated(self, step, values):
        self.told.append(("evaluated", step, self.training.history[-1]["val/accuracy"]))
        if step == self.stop_at:
            self.training.stop("enough\nis enough")

    def close(self):
        self.told.append("close")


def test_a_hook_is_told_what_it_has_a_method_for_and_may_end_the_run(run, monkeypatch):
    listener = Listener(stop_at=3)
    found = train(run, monkeypatch, Recorder([0.5, 0.25]), listener)
    assert listener.told == ["start", ("evaluated", 3, 0.5), "close"]
    assert (found.step, found.stopped) == (3, "enough is enough")


def test_a_hook_may_ask_for_steps_of_its_own_and_log_what_it_finds(run, monkeypatch):
    class Every:
        def start(self, training):
            self.training = training

        def due(self, step):
            return 5 if step < 5 else 1000

        def reached(self, step):
            if step == 5:
                self.training.log({"mine/number": jnp.float32(0.5)})

    recorder = Recorder([0.5, 0.5])
    found = train(run, monkeypatch, recorder, Every())
    assert (5, {"mine/number": 0.5}) in recorder.lines
    assert [row["step"] for row in found.history if "mine/number" in row] == [5]
    with pytest.raises(UserError, match=r"mine/text is 'a': what is logged must be a number"):
        found.log({"mine/text": "a"})


def test_hooks_are_closed_where_an_error_ends_the_training(run, monkeypatch):
    listener = Listener()
    with pytest.raises(ZeroDivisionError):
        train(run, monkeypatch, Recorder([0.5, 0.5]), listener, after=lambda step: 1 // (4 - step))
    assert listener.told[-1] == "close"


class Named:
    def on_evaluated(self, step, values):
        """Is never called: the event is called otherwise."""


class TooFew:
    def log(self, values):
        """Is called with the step as well."""


class Nearly:
    def start(self, training):
        """Makes it a hook."""

    def evalated(self, step, values):
        """Is never called: its name has a letter too few."""

    def logs(self):
        """Is a method of its own."""

    log = logged = start


@pytest.mark.parametrize(
    ("hook", "says"),
    [
        (TooFew(), r"test_training:TooFew: log is called as log\(step, values\), and takes \(values\)$"),
        (Named(), r"test_training:Named has none of the methods start, .*; did you mean evaluated\?$"),
        (Listener, r"test_training:Listener is a class: hand over an object of it, Listener\(\)$"),
    ],
)
def test_what_can_be_told_nothing_is_no_hook(hook, says):
    with pytest.raises(UserError, match=says):
        check_hook(hook)


def test_a_method_that_is_called_nearly_as_an_event_is_a_warning():
    assert misspelt(Nearly()).endswith("test_training:Nearly: evalated, as if it were evaluated")
    assert misspelt(Listener()) == ""


def test_a_hook_may_be_a_path():
    assert isinstance(find_hook(f"{__name__}:Listener"), Listener)


def test_of_several_processes_only_the_first_tells_its_hooks_but_for_those_of_every_process():
    hooks = Hooks([Listener(), Log(1)], first=False)
    assert hooks.due(0, 10) == 1
    assert len(hooks._hooks) == 1

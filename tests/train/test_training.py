"""What is due between steps: what is logged, evaluated and saved, and of which step. No step is computed here."""

import types

import jax
import jax.numpy as jnp
import pytest

from jaxcnn.accel.cpu.finite import choose_whole
from jaxcnn.train import training
from jaxcnn.train.files.checkpoint import NOT_EVALUATED
from jaxcnn.train.hooks.preemption import Preempted
from jaxcnn.train.hooks.progress import Progress
from jaxcnn.train.parts import metrics
from jaxcnn.train.setup import resolve
from jaxcnn.train.state import TrainState
from jaxcnn.train.training import Training, make_step
from tests.train.small_runs import ARRAYS, config


def run_of(**changes):
    return resolve(config(**changes), ARRAYS, devices=jax.devices()[:1])


@pytest.fixture(scope="module")
def run():
    return run_of(**{"ema.decay": 0.9})


class Recorder:
    """Checkpoints, writer and evaluator of a run, which keep what they are given."""

    def __init__(self, accuracies=()):
        self.accuracies, self.saved, self.lines, self.seen, self.writing = list(accuracies), [], [], [], None

    def best(self):
        return max((accuracy for _, accuracy in self.saved), default=NOT_EVALUATED)

    def steps(self):
        return [step for step, _ in self.saved]

    def save(self, step, state, accuracy):
        self.saved.append((step, accuracy))
        return ""

    def settle(self, *, wait=True):
        return ""

    def carried_over(self):
        return ""

    def write(self, step, values):
        self.lines.append((step, values))

    def __call__(self, state, split):
        self.seen.append((state.eval_variables, split))
        return {f"{split}/loss": 1.0, f"{split}/accuracy": self.accuracies.pop(0)}


def training_of(run, monkeypatch, recorder, stop_at=None):
    """Returns the training of a run whose steps do nothing but count; it is asked to stop before step `stop_at`."""
    preemption = types.SimpleNamespace(asked=False)

    def dispatch(state, sums, feed, chance, *, num_steps):
        state = state.replace(step=state.step + num_steps)
        preemption.asked = int(state.step) == stop_at
        return state, metrics.add(sums, {**metrics.zeros(), "examples": jnp.int32(8)})

    monkeypatch.setattr(training, "make_dispatch", lambda *_, **__: dispatch)
    last, average = ({"params": jnp.full(1, value)} for value in (1.0, 2.0))
    state = TrainState(step=jnp.int32(0), **last, collections={}, opt_state=(), ema=average)
    progress = Progress(start=0, total=run.total_steps, quiet=True)
    return Training(run, state, recorder, recorder, recorder, progress, preemption)


def test_a_step_is_made_as_the_config_says(monkeypatch):
    monkeypatch.setattr(training, "make_train_step", lambda **options: options)
    asked = {"ema.decay": 0.5, "loss.aux_weight": 0.25, "on_nonfinite": "skip", "accumulate_steps": 2}
    made = make_step(run_of(**asked))
    assert [made[key] for key in ("ema_decay", "aux_weight", "on_nonfinite", "accumulate_steps")] == [*asked.values()]
    assert made["choose"] is choose_whole


def test_a_checkpoint_has_the_accuracy_of_its_own_step_and_no_other(run, monkeypatch):
    recorder = Recorder([0.5, 0.25])
    training_of(run, monkeypatch, recorder).until_the_end(0)
    assert recorder.saved == [(2, NOT_EVALUATED), (3, 0.5), (4, NOT_EVALUATED), (6, 0.25)]


def test_a_checkpoint_of_a_run_that_is_asked_to_stop_has_no_accuracy_of_an_earlier_step(monkeypatch):
    recorder = Recorder([0.5])
    run = run_of(log_every="9 steps", checkpoint_every="9 steps")
    with pytest.raises(Preempted, match="step 4"):
        training_of(run, monkeypatch, recorder, stop_at=4).until_the_end(0)
    assert recorder.saved == [(3, 0.5), (4, NOT_EVALUATED)]


def test_validation_looks_at_the_moving_average(run, monkeypatch):
    recorder = Recorder([0.5, 0.5])
    state = training_of(run, monkeypatch, recorder).until_the_end(0)
    assert [(variables is state.ema, split) for variables, split in recorder.seen] == [(True, "val")] * 2


def test_the_learning_rate_that_is_logged_is_that_of_the_last_step(run, monkeypatch):
    recorder = Recorder([0.5, 0.5])
    training_of(run, monkeypatch, recorder).until_the_end(0)
    logged = {step: values["train/learning_rate"] for step, values in recorder.lines if "train/loss" in values}
    assert logged == {step: pytest.approx(float(run.learning_rate(step - 1))) for step in (2, 4, 6)}


def test_of_equal_validations_the_first_is_the_best(run, monkeypatch):
    told = []
    monkeypatch.setattr(Progress, "validated", lambda *_, best: told.append(best))
    training_of(run, monkeypatch, Recorder([0.5, 0.5])).until_the_end(0)
    assert told == [True, False]


@pytest.mark.parametrize(
    ("usual", "loss", "warned"), [(1.0, 2.9, False), (1.0, 3.1, True), (0.1, 0.55, False), (0.1, 0.65, True)]
)
def test_a_loss_is_a_spike_three_times_as_high_and_half_a_nat_above(run, monkeypatch, usual, loss, warned):
    found, lines = training_of(run, monkeypatch, Recorder()), []
    found.progress.line = lines.append
    for step in range(10):
        found._watch_for_a_spike(step, usual)
    assert lines == []
    found._watch_for_a_spike(10, loss)
    assert bool(lines) == warned


def test_the_speed_counts_the_images_of_every_seed(monkeypatch):
    found = training_of(run_of(num_seeds=3), monkeypatch, Recorder())
    found._advance(0, 3)  # of which the first call compiles
    assert found.span.images == 2 * 8 * 3

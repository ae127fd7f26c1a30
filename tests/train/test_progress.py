"""What a run shows: numbers for people, lines in a file, a bar on terminals of any width."""

import contextlib
import errno
import io
import os
import re
import types
from fractions import Fraction

import pytest
from rich.console import Console

from jaxcnn.train.hooks import bar as bars
from jaxcnn.train.hooks import progress
from jaxcnn.train.hooks.figures import epoch_counter, speed, time_span
from jaxcnn.train.hooks.progress import Progress

TRAINED = {"train/loss": 0.12345, "train/accuracy": 0.98765, "train/images_per_second": 1574.4}


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0.0 s"),
        (7.26, "7.3 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (100, "1 min 40 s"),
        (7500, "2 h 05 min"),
        (2 * 86400 + 3 * 3600 + 59, "2 d 03 h"),
    ],
)
def test_a_time_is_told_in_its_two_largest_units(seconds, told):
    assert time_span(seconds) == told


@pytest.mark.parametrize(
    ("value", "told"), [(1574.4, "1,574 images/s"), (12.3, "12 images/s"), (0.234, "0.23 images/s"), (float("nan"), "")]
)
def test_a_speed_has_digits_that_say_something(value, told):
    assert speed(value) == told


@pytest.mark.parametrize(
    ("steps_per_epoch", "intervals", "step", "told"),
    [
        (Fraction(1257, 8), (Fraction(50), 6), 6, "0.04"),  # a run of six steps
        (Fraction(1257, 64), (Fraction(1257, 64), 59), 20, "1.0"),
        (Fraction(5004), (Fraction(50), 450_000), 100, "0.020"),
        (Fraction(1_000_000), (Fraction(1), 3), 1, "0.000001"),
        (Fraction(2), (Fraction(50), 100), 50, "25.0"),
    ],
)
def test_epochs_have_as_many_decimals_as_tell_one_log_from_the_next(steps_per_epoch, intervals, step, told):
    assert epoch_counter(steps_per_epoch, *intervals)(step) == told


def shown(**options):
    return Progress(start=0, total=1200, epochs=lambda step: f"{step / 20:.2f}", **options)


@contextlib.contextmanager
def running(bar):
    """Gives what shows a training, told that it starts, and at the end that it closes."""
    bar.start(types.SimpleNamespace(run=None, workdir="runs/mine", step=0, history=[]))
    yield bar
    bar.close()


@pytest.fixture(autouse=True)
def without_an_opening(monkeypatch):
    monkeypatch.setattr(progress, "opening", lambda *_: {})


@pytest.fixture
def clock(monkeypatch):
    """The seconds that have passed, as a list of one number."""
    now = [100.0]
    monkeypatch.setattr(bars.time, "monotonic", lambda: now[0])
    return now


def test_into_a_file_a_run_tells_what_it_does_in_lines(capsys, clock):
    with running(shown()) as bar:
        bar.busy("compiling", "a training step")
        bar.stepped(1)
        bar.compiled(2.5)
        clock[0] += 10.0
        bar.stepped(101)
        bar.log(101, TRAINED)
        for _ in range(2):
            bar.busy("evaluating", "the validation split")
            bar.evaluated(101, {"val/loss": 0.5, "val/accuracy": 0.9})
        bar.checkpointed(101)
    assert capsys.readouterr().out.splitlines() == [
        "compiling a training step",
        "compiled in 2.5 s, the first call included",
        "step  101 of 1200  epoch  5.05  train  loss 0.1235  accuracy 98.77%  1,574 images/s  1 min 50 s left",
        "evaluating the validation split",
        "step  101 of 1200  epoch  5.05  val    loss 0.5000  accuracy 90.00%  best so far",
        "step  101 of 1200  epoch  5.05  val    loss 0.5000  accuracy 90.00%",
        "checkpoint of step 101 written",
    ]


def test_the_time_that_is_left_is_known_between_the_first_step_and_the_last(clock):
    pace = bars.Pace(10)
    pace.reach(4)
    assert pace.left() is None
    pace.begin(4)
    assert pace.left() is None
    clock[0] += 6.0
    pace.reach(7)
    assert pace.left() == 6.0
    pace.begin(7)  # another program was compiled
    assert pace.left() == 6.0
    pace.reach(10)
    assert pace.left() is None


def row(width, bar):
    """What the bar looks like on a terminal of this width, and how many of its characters are the bar itself."""
    terminal = Console(width=width, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    terminal.print(bars._row(bar._bar.tasks[0], width))
    (line,) = re.sub(r"\x1b\[[0-9;]*m", "", terminal.file.getvalue()).splitlines()
    assert len(line) <= width
    return line, len(re.findall("[━╸╺]", line))


@pytest.mark.parametrize(
    ("width", "has", "lacks"),
    [
        (24, ["840/1200 steps"], ["left", "loss"]),
        (50, ["840/1200 steps", "5.0 s left"], ["accuracy", "images/s"]),
        (80, ["840/1200 steps", "5.0 s left", "loss 0.1235", "accuracy 98.77%"], ["images/s"]),
        (120, ["840/1200 steps", "5.0 s left", "loss 0.1235", "accuracy 98.77%", "1,574 images/s"], []),
    ],
)
def test_a_narrow_terminal_keeps_steps_time_and_bar_and_gives_up_speed_then_accuracy(width, has, lacks):
    bar = shown(console=Console(width=width, force_terminal=True, file=io.StringIO()))
    bar.log(840, TRAINED)
    bar._bar.update(bar._task, completed=840, left="5.0 s left")
    line, length = row(width, bar)
    assert [text for text in has if text not in line] == []
    assert [text for text in lacks if text in line] == []
    assert length >= 8 or width < 30


def test_while_it_compiles_or_evaluates_the_bar_says_so_at_50_columns_too():
    bar = shown(console=Console(width=50, force_terminal=True, file=io.StringIO()))
    bar.busy("compiling", "10 training steps")
    assert "compiling" in row(50, bar)[0]
    bar.log(840, TRAINED)
    bar.busy("evaluating", "the validation split")
    assert "evaluating" in row(50, bar)[0]
    bar.evaluated(840, {"val/loss": 0.5, "val/accuracy": 0.9})
    assert "evaluating" not in row(50, bar)[0]


def test_with_a_bar_there_are_lines_for_validations_and_none_for_logs():
    file = io.StringIO()
    with running(
        shown(console=Console(width=80, force_terminal=True, file=file, color_system=None, soft_wrap=True))
    ) as bar:
        bar.log(840, TRAINED)
        bar.note("a note")
        bar.evaluated(840, {"val/loss": 0.5, "val/accuracy": 0.9})
    assert "step  840 of 1200  epoch 42.00  val    loss 0.5000  accuracy 90.00%  best so far" in file.getvalue()
    assert "train  loss" not in file.getvalue()
    assert "a note" not in file.getvalue()


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (80, ["step   60 of 1200  epoch  3.00  val    loss 0.5000  accuracy 97.12%  best so far"]),
        (79, ["step   60 of 1200  epoch  3.00  val    loss 0.5000  accuracy 97.12%", "  best so far"]),
        (50, ["step   60 of 1200  epoch  3.00  val    loss 0.5000", "  accuracy 97.12%  best so far"]),
    ],
)
def test_a_validation_is_broken_between_its_parts_on_a_narrow_terminal(width, lines, capsys):
    console = Console(width=width, force_terminal=True, file=io.StringIO())
    shown(show=False, console=console).evaluated(60, {"val/loss": 0.5, "val/accuracy": 0.9712})
    assert capsys.readouterr().out.splitlines() == lines


def test_a_block_is_broken_between_words_on_a_narrow_terminal_and_not_in_a_file(capsys):
    lines = [
        "lenet5: no norm, scaled_tanh, 61,706 parameters, images of 32x32x1",
        "/a/path/that/is/too-long/for/this/terminal",
    ]
    file = io.StringIO()
    shown(console=Console(width=40, force_terminal=True, file=file, color_system=None, soft_wrap=True)).block(
        "net", lines
    )
    assert file.getvalue().splitlines() == [
        "net      lenet5: no norm, scaled_tanh,",
        "         61,706 parameters, images of",
        "         32x32x1",
        "         /a/path/that/is/too-long/for/this/terminal",
    ]
    shown(show=False).block("net", lines)
    assert capsys.readouterr().out.splitlines() == [f"net      {lines[0]}", f"         {lines[1]}"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "has_bar"),
    [
        (Terminal, {"TERM": "xterm"}, True),
        (Terminal, {"TERM": "dumb"}, False),  # where nothing can be drawn again
        (io.StringIO, {"TERM": "xterm", "FORCE_COLOR": "1", "TTY_COMPATIBLE": "1"}, False),
    ],
)
def test_there_is_a_bar_on_a_terminal_that_can_draw_it_and_nowhere_else(monkeypatch, stream, environment, has_bar):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdout", stream())
    with running(shown()) as bar:
        bar.log(840, TRAINED)
        assert (bar._bar is not None) == has_bar
    assert ("\x1b" in bar.console.file.getvalue()) == has_bar
    assert ("train  loss" in bar.console.file.getvalue()) != has_bar


class Gone(Terminal):
    """A terminal that was closed."""

    def write(self, text):
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def test_a_terminal_that_goes_away_ends_nothing(monkeypatch):
    monkeypatch.setattr("sys.stdout", Gone())
    monkeypatch.setenv("TERM", "xterm")
    with running(shown()) as bar:
        assert bar._bar
        bar.said("nobody reads this")
        bar.stepped(2)
        bar._bar.refresh()
    with running(shown(show=False)) as lines:
        lines.said("nor this")

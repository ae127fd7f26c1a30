"""Grids that are trained: here in this process, and once with one for each run, which is killed on the way."""

import contextlib
import io
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time

import pytest

import jaxcnn
from jaxcnn import main
from jaxcnn.commands import compare as command
from jaxcnn.comparing import session
from jaxcnn.comparing.grid import load_grid
from jaxcnn.comparing.jobs import jobs_of
from jaxcnn.comparing.outcomes import forget_failure, in_use, note_failure, outcome
from jaxcnn.entry import answer
from jaxcnn.errors import UserError
from jaxcnn.json_file import write_json
from jaxcnn.locks import FileLock
from jaxcnn.train.files.folder import read_lines
from tests.comparing.grids import fake
from tests.train.small_runs import config

PATIENCE = 120
NORMS = {"norms": ["none", "batch"], "seeds": 2}
LARGE = {"norms": ["none"], "seeds": 1, "override": {"optimizer.learning_rate": 1e30}}


def here(job, folder, look=None):
    """Trains a run in this process, as the worker does in another."""
    forget_failure(job.place)
    with contextlib.redirect_stderr(io.StringIO()) as said, contextlib.redirect_stdout(io.StringIO()):
        status = answer(lambda: main.main(job.arguments[1:]))
    if status:
        note_failure(job.place, said.getvalue().removeprefix("jaxcnn: ").strip())
    return outcome(folder, job.cell, job.seed).state


@pytest.fixture
def at_home(monkeypatch):
    monkeypatch.setattr(session, "trained", here)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A config of six steps."""
    path = tmp_path_factory.mktemp("base") / "small.json"
    write_json(path, config().to_dict())
    return str(path)


@pytest.fixture(scope="module")
def trained(base, tmp_path_factory):
    """A grid with two norms and two seeds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "trained", here)
        return jaxcnn.compare(tmp_path_factory.mktemp("grids") / "norms", base=base, **NORMS, target=0.01)


@pytest.fixture(scope="module")
def diverged(base, tmp_path_factory):
    """A grid of a run whose learning rate is too large."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "trained", here)
        return jaxcnn.compare(tmp_path_factory.mktemp("grids") / "rates", base=base, **LARGE)


@pytest.fixture
def asked(monkeypatch):
    """The names of the runs that would be trained: none is."""
    names = []
    monkeypatch.setattr(session, "trained", lambda job, folder, look=None: names.append(job.name))
    return names


def test_every_cell_is_trained_with_every_seed(trained):
    none, batch = trained.rows
    assert [none.n, batch.n] == [2, 2]
    assert batch.parameters > none.parameters
    assert (batch.steps, batch.peak_memory > 0, batch.images_per_second is not None) == (6, True, True)
    assert batch.difference.n == 2
    assert trained.complete


def test_a_run_that_diverged_is_told_with_its_step(diverged):
    (trouble,) = diverged.rows[0].troubles
    assert (trouble["seed"], trouble["state"], diverged.rows[0].n) == (0, "failed", 0)
    assert "is not finite, first" in trouble["reason"]
    assert "is not finite, first" in str(diverged)


def test_finished_runs_are_not_trained_again_and_failed_ones_only_if_asked(trained, diverged, base, asked, capsys):
    jaxcnn.compare(trained.folder, base=base, **NORMS)
    jaxcnn.compare(diverged.folder, base=base, **LARGE)
    assert asked == []
    said = capsys.readouterr().out
    assert "4 runs, 2 cells x 2 seeds: 4 finished" in said
    assert "1 run, 1 cell x 1 seed: 1 failed earlier (--retry tries them again)" in said
    jaxcnn.compare(diverged.folder, base=base, **LARGE, retry=True)
    assert asked == ["lenet5-none/seed0"]


def test_the_folder_alone_makes_the_table_again_and_trains_nothing(trained, monkeypatch, capsys):
    monkeypatch.setattr(session, "trained", None)
    before = (trained.folder / "table.csv").read_text()
    (trained.folder / "table.csv").unlink()
    assert command.main(["--output", str(trained.folder)]) == 0
    assert (trained.folder / "table.csv").read_text() == before
    assert "lenet5-batch" in capsys.readouterr().out


def test_other_settings_in_the_same_folder_are_refused(trained, base):
    with pytest.raises(UserError, match=r"was trained with batch_size 8, and 4 is asked for now: use another --output"):
        jaxcnn.compare(trained.folder, base=base, **NORMS, override={"batch_size": 4})


def test_more_steps_go_on_with_finished_runs(trained, base, tmp_path, at_home):
    place = tmp_path / "lenet5-none" / "seed0"
    shutil.copytree(trained.folder / "lenet5-none" / "seed0", place)
    longer = jaxcnn.compare(tmp_path, base=base, norms=["none"], seeds=1, override={"total_steps": 8})
    assert (longer.rows[0].steps, longer.rows[0].n) == (8, 1)
    assert [row["step"] for row in read_lines(place / "metrics.jsonl") if "train/loss" in row] == [2, 4, 6, 8]


def test_a_run_that_another_process_has_is_left_to_it(base, tmp_path, asked, capsys):
    place = tmp_path / "grid" / "lenet5-none" / "seed0"
    place.mkdir(parents=True)
    with FileLock(place / "lock"):
        found = jaxcnn.compare(tmp_path / "grid", base=base, norms=["none", "batch"], seeds=1)
        assert in_use(place)
    assert asked == ["lenet5-batch/seed0"]
    assert found.rows[0].troubles[0]["state"] == "running"
    assert "lenet5-none/seed0: being trained by another process" in capsys.readouterr().out
    assert not in_use(place)


def test_what_does_not_fit_into_the_time_is_left_out_and_said(base, tmp_path, asked, monkeypatch, capsys):
    monkeypatch.setattr(session, "tried", lambda cell, seed, folder: None)
    monkeypatch.setattr(session, "estimated", lambda jobs, grid, folder: {job.name: 1000.0 for job in jobs})
    jaxcnn.compare(tmp_path / "grid", base=base, **NORMS, budget="20min")
    assert asked == ["lenet5-none/seed0"]
    said = capsys.readouterr().out
    assert "in the time that is left 1 of 4 runs fit, about 16 min 40 s" in said
    assert "left out, since the time is over: lenet5-batch/seed0, lenet5-none/seed1, lenet5-batch/seed1" in said


def test_seeds_are_added_until_differences_are_known_well_enough(base, tmp_path, monkeypatch):
    scores = {"lenet5-none": [0.90, 0.92, 0.91, 0.90, 0.90], "lenet5-batch": [0.95, 0.96, 0.94, 0.99, 0.99]}
    monkeypatch.setattr(session, "trained", lambda job, *_, **__: fake(job, scores[job.cell.name][job.seed]))
    options = {"base": base, "norms": ["none", "batch"], "until": 0.0248, "override": {"total_steps": 4}}
    found = jaxcnn.compare(tmp_path / "grid", **options)
    assert [row.n for row in found.rows] == [4, 4]  # by hand in test_precision
    assert found.row("lenet5-batch").difference.high - found.row("lenet5-batch").difference.low <= 2 * 0.0248


def test_the_printed_commands_are_the_runs_of_the_grid(base, tmp_path, capsys):
    line = ["--config", base, "--norms", "none,batch", "--seeds", "1", "--output", str(tmp_path / "grid")]
    assert command.main([*line, "--commands"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert not (tmp_path / "grid" / "lenet5-none").exists()
    program, train, *rest = shlex.split(first)
    assert (program, train) == ("jaxcnn", "train")
    with contextlib.redirect_stdout(io.StringIO()):
        assert answer(lambda: main.main(rest)) == 0
    assert command.main([*line, "--commands"]) == 0
    assert capsys.readouterr().out.splitlines() == [second]  # what is finished is not printed again
    assert command.main(["--output", str(tmp_path / "grid")]) == 1
    assert "lenet5-batch, seed 0: not begun" in capsys.readouterr().out


def test_how_many_seeds_it_takes_is_said_without_training(base, tmp_path, capsys):
    line = ["--config", base, "--norms", "none,batch", "--output", str(tmp_path / "grid"), "--detect", "0.5%"]
    assert command.main([*line, "--deviation", "0.5%"]) == 0
    assert "10 seeds of each cell" in capsys.readouterr().out
    assert [entry.name for entry in (tmp_path / "grid").iterdir()] == ["grid.json"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (["--norms", "batch"], "the following arguments are required: --output"),
        (["--output", "new"], "new holds no grid: name what to compare"),
        (["--output", "new", "--target", "90"], "argument --target: 90: write a share as 90% or 0.9"),
        (["--output", "new", "--batch-sizes", "2,x"], "argument --batch-sizes: invalid whole numbers"),
        (["--output", "new", "--config=digits_lenet5", "--override", "lr"], "--override lr: write it as key=value"),
        (["--output", "new", "--config=digits_lenet5", "--budget", "3"], "the budget is '3': write a time"),
        (["--output", "new", "digits_lenet5"], "stray argument 'digits_lenet5': did you mean --config=digits_lenet5?"),
    ],
)
def test_a_wrong_line_is_refused(line, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        command.main(line)
    assert str(caught.value).startswith(says)


@pytest.mark.skipif(sys.platform != "linux", reason="a killed grid takes its run with it where the kernel helps")
def test_a_killed_grid_takes_its_run_with_it_which_goes_on_later(base, tmp_path):
    folder = tmp_path / "grid"
    line = [sys.executable, "-m", "jaxcnn", "compare", "--config", base, "--norms", "none", "--seeds", "1", "--output"]
    line += [str(folder), "--config.total_steps=100000", "--config.checkpoint_every=10 steps"]
    place = folder / "lenet5-none" / "seed0"
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + PATIENCE
        while not list((place / "checkpoints").glob("[0-9]*")) and time.monotonic() < until:
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
    while in_use(place) and time.monotonic() < until:
        time.sleep(0.1)
    assert not in_use(place)  # the run has saved its state, and has ended by itself
    grid = load_grid(folder)
    (job,) = jobs_of(grid, folder)
    found = outcome(folder, job.cell, job.seed)
    assert found.state == "unfinished"
    assert "preempted at step" in (place.parent / "seed0.log").read_text()
    assert os.path.isdir(place / "checkpoints")

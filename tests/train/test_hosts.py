"""Several processes that train one model: how they find each other, agree, stop, and go on in another number."""

import json
import signal

import jax
import numpy as np
import pytest

from jaxcnn.errors import UserError
from jaxcnn.train.devices import joining
from jaxcnn.train.devices.mesh import make_mesh, replicated
from jaxcnn.train.files.checkpoint import Checkpoints
from jaxcnn.train.files.folder import read_lines
from jaxcnn.train.files.lock import Lock
from jaxcnn.train.loop import train_and_evaluate
from jaxcnn.train.setup import make_run
from tests.train.small_runs import unclocked
from tests.train.team import Team
from tests.train.test_loop import config

SLURM = {"SLURM_NTASKS": "4", "SLURM_STEP_NODELIST": "n[1-4]", "SLURM_PROCID": "1"}
INDEXED = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "JOB_COMPLETION_INDEX": "3"}


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, None),
        (SLURM, "SLURM_NTASKS=4"),
        (SLURM | {"SLURM_NTASKS": "1"}, None),
        (SLURM | {"SLURM_STEP_NUM_TASKS": "1"}, None),
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, None),
        ({"OMPI_COMM_WORLD_SIZE": "2"}, "OMPI_COMM_WORLD_SIZE=2"),
        ({"OMPI_COMM_WORLD_SIZE": "1"}, None),
        ({"TPU_WORKER_HOSTNAMES": "a,b"}, "TPU_WORKER_HOSTNAMES=a,b"),
        ({"TPU_WORKER_HOSTNAMES": "localhost"}, None),
        (INDEXED, "JOB_COMPLETION_INDEX=3"),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, None),
    ],
)
def test_the_environment_says_whether_there_are_several_processes(environment, found):
    assert joining.surroundings(environment) == found


@pytest.fixture
def joined(monkeypatch):
    """What jax.distributed.initialize is called with, on a machine that says nothing of several processes."""
    calls = []
    monkeypatch.setattr(jax.distributed, "initialize", lambda **arguments: calls.append(arguments))
    monkeypatch.setattr(joining, "surroundings", lambda _: None)
    return calls


def test_a_laptop_joins_nothing(joined):
    joining.join()
    joining.join(distributed=False)
    assert joined == []


def test_the_flags_the_environment_and_a_wish_are_handed_to_jax_with_the_heartbeat(joined, monkeypatch):
    joining.join(coordinator="[::1]:80", num_processes=2, process_id=0)
    joining.join(distributed=True)
    monkeypatch.setattr(joining, "surroundings", lambda _: "SLURM_NTASKS=4")
    joining.join()
    joining.join(distributed=False)
    assert [call["heartbeat_timeout_seconds"] for call in joined] == [joining.HEARTBEAT_SECONDS] * 3
    assert joined[0].items() >= {"coordinator_address": "[::1]:80", "num_processes": 2, "process_id": 0}.items()
    assert all(call["coordinator_address"] is None for call in joined[1:])


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ({"coordinator": "a:1"}, "go together: --num_processes, --process_id missing"),
        ({"num_processes": 2, "process_id": 0}, "go together: --coordinator missing"),
        ({"coordinator": "a", "num_processes": 2, "process_id": 0}, "it must be HOST:PORT"),
        ({"coordinator": "http://a:1", "num_processes": 2, "process_id": 0}, "it must be HOST:PORT"),
        ({"coordinator": "a:1", "num_processes": 2, "process_id": 2}, "it must be one of 0 to 1"),
        ({"coordinator": "a:1", "num_processes": 2, "process_id": -1}, "it must be one of 0 to 1"),
        ({"coordinator": "a:1", "num_processes": 2, "process_id": 0, "distributed": False}, "runs one process alone"),
    ],
)
def test_wrong_flags_are_one_line(joined, flags, says):
    with pytest.raises(UserError, match=says) as caught:
        joining.join(**flags)
    assert "\n" not in str(caught.value)
    assert joined == []


def test_an_environment_that_jax_cannot_read_is_one_line(monkeypatch):
    def initialize(**_):
        raise ValueError("coordinator_address should be defined.\nmore")

    monkeypatch.setattr(jax.distributed, "initialize", initialize)
    monkeypatch.setattr(joining, "surroundings", lambda _: "OMPI_COMM_WORLD_SIZE=2")
    with pytest.raises(
        UserError, match=r"processes \(OMPI_COMM_WORLD_SIZE=2\) cannot be joined: .*--coordinator"
    ) as it:
        joining.join()
    assert "\n" not in str(it.value)


def state_of(folder, **changes):
    run = make_run(config(**changes))
    with Checkpoints(folder / "run" / "checkpoints") as checkpoints:
        return checkpoints.restore(run.abstract_state(), replicated(make_mesh(jax.devices()[:1])))


def assert_close(one, other, tolerance=1e-5):
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)  # noqa: E731
    jax.tree.map(close, one, other)


def numbers(folder, prefix):
    """The metrics of a run, step by step, without speeds."""
    lines = read_lines(folder / "run" / "metrics.jsonl")
    return [
        {key: value for key, value in unclocked(line).items() if key == "step" or key.startswith(prefix)}
        for line in lines
        if any(key.startswith(prefix) for key in line)
    ]


def assert_same_numbers(one, other):
    for prefix in ("train/", "val/", "test/"):
        pairs = list(zip(numbers(one, prefix), numbers(other, prefix), strict=True))
        assert pairs
        for a, b in pairs:
            assert a == pytest.approx(b, rel=1e-4, abs=1e-5)


def test_two_processes_train_as_one_with_as_many_devices(tmp_path):
    one = tmp_path / "one"
    with Team(tmp_path / "two", 2, devices=4) as two:
        train_and_evaluate(config(), one / "run")
        assert two.statuses() == [0, 0], two.err(0) + two.err(1)
    assert_same_numbers(two.folder, one)
    assert_close(state_of(two.folder), state_of(one))
    assert two.out(1) == []
    assert two.err(0) == two.err(1) == []
    cards = [json.loads((folder / "run" / "run.json").read_text()) for folder in (two.folder, one)]
    assert [(card["processes"], len(card["devices"])) for card in cards] == [(2, 8), (1, 8)]


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_processes(tmp_path):
    constant = "--config.schedule.name=constant"
    with Team(tmp_path / "whole", 1, constant) as whole:
        assert whole.statuses() == [0]
    for count, steps in ((2, 2), (1, 4), (4, 6)):
        with Team(tmp_path / "parts", count, constant, f"--config.total_steps={steps}") as parts:
            assert parts.statuses() == [0] * count, parts.err(0)
    assert f"on {4} x cpu, from step 4" in " ".join(parts.out(0))
    assert_close(state_of(parts.folder), state_of(whole.folder), 1e-4)
    for prefix in ("train/", "test/"):
        for a, b in zip(numbers(parts.folder, prefix)[-1:], numbers(whole.folder, prefix)[-1:], strict=True):
            assert a == pytest.approx(b, rel=1e-4, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "what"), [(1, signal.SIGTERM), (0, signal.SIGTERM), (1, signal.SIGINT)])
def test_a_signal_to_one_stops_all_at_the_same_step(tmp_path, number, what):
    with Team(tmp_path / "team", 2, "--config.total_steps=4000") as team:
        team.wait_for_steps()
        team.processes[number].send_signal(what)
        assert team.statuses() == [0, 0], team.err(0) + team.err(1)
    assert team.out(0)[-1].endswith(": the same command goes on from there")
    step = int(team.out(0)[-1].split("preempted at step ")[1].split(":")[0])
    assert step < 4000
    assert int(state_of(team.folder).step) == step
    assert team.out(1) == []
    with Team(team.folder, 2, f"--config.total_steps={step + 2}") as again:
        assert again.statuses() == [0, 0], again.err(0)
    assert f"from step {step}" in " ".join(again.out(0))


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("what", [signal.SIGKILL, signal.SIGSTOP])
def test_a_dead_process_ends_the_others_within_the_heartbeat(tmp_path, number, what):
    with Team(tmp_path / "team", 2, "--config.total_steps=4000", heartbeat=10) as team:
        team.wait_for_steps()
        status, seconds = team.fault(number, what)
    assert status != 0
    assert seconds < 10 + 10
    said = " ".join(team.err(1 - number))
    assert "failed" in said or "another task died" in said
    with Checkpoints(team.folder / "run" / "checkpoints") as checkpoints:
        assert checkpoints.steps()


@pytest.mark.slow
def test_what_only_one_process_finds_ends_all_with_one_line(tmp_path):
    folder = tmp_path / "team"
    (folder / "run").mkdir(parents=True)
    with Lock(folder / "run"), Team(folder, 2) as team:
        assert team.statuses() == [2, 2]
    assert [len(team.err(number)) for number in range(2)] == [1, 0]
    assert "is in use by process" in team.err(0)[0]
    with Team(folder, 2, own=[("--config.seed=1",), ("--config.seed=2",)]) as team:
        assert team.statuses() == [2, 2]
    assert team.err(0)[0].endswith("the config of process 1 is not that of process 0: all of them need the same")
    with Team(folder, 2, own=[(), ("--config.model.name=lenet6",)]) as team:
        assert team.statuses() == [2, 2]
    assert "process 1: unknown model 'lenet6'" in team.err(0)[0]
    assert team.err(1) == []


@pytest.mark.slow
def test_several_processes_go_back_past_a_damaged_checkpoint(tmp_path):
    for _ in range(2):
        with Team(tmp_path / "team", 2) as team:
            assert team.statuses() == [0, 0], team.err(0) + team.err(1)
        files = (team.folder / "run" / "checkpoints" / "6").glob("state/**/d/*")
        largest = max(files, key=lambda path: path.stat().st_size)
        largest.write_bytes(bytes(byte ^ 0xFF for byte in largest.read_bytes()))
    with Team(tmp_path / "whole", 1) as whole:
        assert whole.statuses() == [0]
    with Team(tmp_path / "team", 2) as team:
        assert team.statuses() == [0, 0], team.err(0) + team.err(1)
    assert "it is now called damaged-6-2, and the run goes on from step 4" in " ".join(team.out(0))
    assert_same_numbers(team.folder, whole.folder)


@pytest.mark.slow
def test_several_processes_name_the_layer_that_is_not_finite(tmp_path):
    plain = ("--config.model.norm=none", "--config.model.act=relu", "--config.optimizer.learning_rate=1e15")
    with Team(tmp_path / "team", 2, *plain, "--config.ema.decay=0", "--config.schedule.name=constant") as team:
        assert team.statuses() == [2, 2], team.err(0) + team.err(1)
    assert "is not finite, first" in team.err(0)[-1]


@pytest.mark.slow
def test_two_processes_train_as_one_with_two_devices_under_pmap(tmp_path):
    mapped = ("--config.parallel=pmap", "--config.model.norm_options.examples=16", "--config.accumulate_steps=2")
    with Team(tmp_path / "two", 2, *mapped) as two:
        assert two.statuses() == [0, 0], two.err(0) + two.err(1)
    with Team(tmp_path / "one", 1, *mapped, devices=2) as one:
        assert one.statuses() == [0], one.err(0)
    assert_same_numbers(two.folder, one.folder)

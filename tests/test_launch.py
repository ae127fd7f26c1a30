"""The launch scripts: what they would run, and, on this machine, that it trains."""

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import yaml

from jaxcnn import main
from jaxcnn.train.folder import read_json, read_lines
from tests.train.team import CONFIG, ROOT

LAUNCH = ROOT / "launch"
SCRIPTS = ["local.sh", "tpu_vm.sh", "slurm.sbatch"]
ARGUMENTS = ["--config=configs/digits_lenet5.py", "--workdir=/runs/two words", "--config.batch_size=128"]


def dry_run(script, *arguments, **environment):
    """The commands that a script prints, as words."""
    done = subprocess.run(
        ["bash", str(LAUNCH / script), "--dry-run", *arguments],
        env=os.environ | environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    return [shlex.split(line) for line in done.stdout.splitlines()]


def main_arguments(words):
    """The words after `-m jaxcnn.main`."""
    return words[words.index("jaxcnn.main") + 1 :]


def assert_main_knows(arguments):
    """It takes every flag and every key of its config."""
    with contextlib.chdir(ROOT):
        main.parse(["main", *arguments])


@pytest.mark.parametrize("device", ["--cpu", "--gpu"])
def test_local_starts_every_process_with_its_number_and_its_device(device):
    lines = dry_run("local.sh", *[device] * (device == "--gpu"), "3", *ARGUMENTS, PORT="2222")
    assert len(lines) == 3
    for number, words in enumerate(lines):
        own = f"CUDA_VISIBLE_DEVICES={number}" if device == "--gpu" else "JAX_PLATFORMS=cpu"
        assert words[:3] == ["env", own, "python"]
        together = ["--coordinator=127.0.0.1:2222", "--num_processes=3", f"--process_id={number}"]
        assert main_arguments(words) == [*ARGUMENTS, *together, "&"]
        assert_main_knows(main_arguments(words)[:-1])


def test_slurm_runs_one_step_with_all_processes():
    (words,) = dry_run("slurm.sbatch", *ARGUMENTS)
    assert words[0] == "srun"
    assert main_arguments(words)[:3] == ARGUMENTS
    assert "--config.preempted_status=143" in words
    assert_main_knows(main_arguments(words))


def test_tpu_vm_goes_from_nothing_to_nothing():
    environment = {"NAME": "slice", "ZONE": "zone-a", "NFS": "10.0.0.2:/share", "SPOT": "1"}
    lines = dry_run("tpu_vm.sh", "all", *ARGUMENTS, **environment)
    verbs = [" ".join(words[3:5]) for words in lines if words[0] == "gcloud"]
    ssh = "tpu-vm ssh"
    assert verbs == ["queued-resources create", "tpu-vm scp", ssh, ssh, ssh, ssh, "queued-resources delete"]
    assert all("--zone=zone-a" in words for words in lines if words[0] == "gcloud")
    assert "--spot" in lines[0]
    assert "--spot" not in dry_run("tpu_vm.sh", "create", **environment | {"SPOT": ""})[0]
    (command,) = [word for words in lines for word in words if "jaxcnn.main" in word]
    trained = main_arguments(shlex.split(command.removeprefix("--command=").split(" 2>&1")[0]))
    assert trained == [*ARGUMENTS, "--distributed", "--config.preempted_status=143"]
    assert_main_knows(trained)


@pytest.mark.parametrize(("script", "words"), [("local.sh", ["none"]), ("local.sh", []), ("tpu_vm.sh", ["create"])])
def test_a_wrong_line_is_answered_with_the_usage(script, words):
    environment = {key: value for key, value in os.environ.items() if key not in ("NAME", "ZONE", "NFS")}
    done = subprocess.run(
        ["bash", str(LAUNCH / script), *words], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")


def test_the_jobset_is_yaml_with_the_flags_of_main():
    text = (LAUNCH / "gke_jobset.yaml").read_text()
    found = yaml.safe_load(text)
    assert (found["apiVersion"], found["kind"]) == ("jobset.x-k8s.io/v1alpha2", "JobSet")
    (workers,) = found["spec"]["replicatedJobs"]
    job = workers["template"]["spec"]
    assert job["parallelism"] == job["completions"] == 4
    assert found["spec"]["coordinator"]["replicatedJob"] == workers["name"]
    (container,) = job["template"]["spec"]["containers"]
    assert container["command"] == ["python", "-m", "jaxcnn.main"]
    assert "--distributed" in container["args"]
    assert_main_knows(container["args"])
    assert (ROOT / container["args"][0].removeprefix("--config=")).exists()
    advised = re.findall(r"--(?:coordinator|num_processes|process_id)=", text)
    assert len(advised) == 3
    assert_main_knows([*container["args"], *(f"{flag}1" for flag in advised)])


@pytest.mark.parametrize("name", [*SCRIPTS, "gke_jobset.yaml"])
def test_every_header_says_what_it_does_needs_and_costs_and_whether_it_was_run(name):
    header = "".join(line for line in (LAUNCH / name).read_text().splitlines(True) if line.startswith("#"))
    for phrase in ("What it does: ", "What it needs: ", "What it costs: ", "usage: "):
        assert phrase in header
    assert ("could not be run" in header) or ("Run for real: " in header)


def shellcheck():
    beside = shutil.which("shellcheck", path=os.path.dirname(sys.executable))
    return beside or shutil.which("shellcheck")


@pytest.mark.skipif(shellcheck() is None, reason="shellcheck is not installed")
@pytest.mark.parametrize("name", SCRIPTS)
def test_shellcheck_finds_nothing(name):
    done = subprocess.run(
        [shellcheck(), "--shell=bash", str(LAUNCH / name)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 4])
def test_local_trains_digits(tmp_path, count):
    (tmp_path / "small.py").write_text(CONFIG)
    environment = os.environ | {"PYTHON": sys.executable, "PYTHONPATH": str(ROOT), "XLA_FLAGS": ""}
    command = [
        "bash",
        str(LAUNCH / "local.sh"),
        str(count),
        f"--config={tmp_path}/small.py",
        f"--workdir={tmp_path}/run",
    ]
    longer = ["--config.total_steps=200", "--config.eval_every=1 epoch", "--config.checkpoint_every=1 epoch"]
    done = subprocess.run(
        [*command, *longer, "--config.data.augment=", "--config.data.image_size=16"],
        env=environment, cwd=ROOT, capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert read_json(tmp_path / "run" / "run.json")["processes"] == count
    assert read_lines(tmp_path / "run" / "metrics.jsonl")[-1]["test/accuracy"] > 0.85
    wrong = subprocess.run(
        [*command, "--config.batch_size=63"], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 2
    assert [line for line in wrong.stderr.splitlines() if line] == [
        f"jaxcnn: batch_size is 63: it must be a positive multiple of the {count} devices"
    ]

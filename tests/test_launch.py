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
from jaxcnn.json_file import read_json
from jaxcnn.train.files.folder import read_lines
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
        main.parse(arguments)


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


@pytest.mark.parametrize(
    ("place", "folder"),
    [({"BUCKET": "gs://box/mine/"}, "gs://box/mine"), ({"NFS": "10.0.0.2:/share"}, "/mnt/runs")],
)
def test_tpu_vm_goes_from_nothing_to_nothing(place, folder):
    environment = {"NAME": "slice", "ZONE": "zone-a", "SPOT": "1", "BUCKET": "", "NFS": ""} | place
    lines = dry_run("tpu_vm.sh", "all", ARGUMENTS[0], ARGUMENTS[2], **environment)
    verbs = [" ".join(words[3:5]) for words in lines if words[0] == "gcloud"]
    ssh = ["tpu-vm ssh"] * (4 if "NFS" in place else 3)
    assert verbs == ["queued-resources create", "tpu-vm scp", *ssh, "queued-resources delete"]
    assert all("--zone=zone-a" in words for words in lines if words[0] == "gcloud")
    commands = " ".join(word for words in lines for word in words if word.startswith("--command="))
    assert "'./jaxcnn[tpu,gcs]'" in commands
    assert ("mount -t nfs 10.0.0.2:/share /mnt/runs" in commands) == ("NFS" in place)
    assert "--spot" in lines[0]
    assert "--spot" not in dry_run("tpu_vm.sh", "create", **environment | {"SPOT": ""})[0]
    (command,) = [word for words in lines for word in words if "jaxcnn.main" in word]
    words = shlex.split(command.removeprefix("--command=").split(" 2>&1")[0])
    assert f"TFDS_DATA_DIR={folder}/data" in words
    trained = main_arguments(words)
    own = [f"--workdir={folder}/runs/slice"]
    assert trained == [*own, ARGUMENTS[0], ARGUMENTS[2], "--distributed", "--config.preempted_status=143"]
    assert_main_knows(trained)


def test_tpu_vm_trains_in_the_run_folder_that_is_asked_for():
    environment = {"NAME": "slice", "ZONE": "zone-a", "BUCKET": "gs://box", "NFS": ""}
    (words,) = dry_run("tpu_vm.sh", "run", *ARGUMENTS, **environment)
    (command,) = [word for word in words if "jaxcnn.main" in word]
    with contextlib.chdir(ROOT):
        request = main.parse(main_arguments(shlex.split(command.split(" 2>&1")[0])))
    assert request.workdir == "/runs/two words"


@pytest.mark.parametrize(
    ("script", "words", "environment"),
    [
        ("local.sh", ["none"], {}),
        ("local.sh", [], {}),
        ("tpu_vm.sh", ["create"], {}),
        ("tpu_vm.sh", ["create"], {"NAME": "n", "ZONE": "z"}),
        ("tpu_vm.sh", ["create"], {"NAME": "n", "ZONE": "z", "BUCKET": "box"}),
        ("tpu_vm.sh", ["create"], {"NAME": "n", "ZONE": "z", "BUCKET": "gs://box", "NFS": "10.0.0.2:/share"}),
        ("tpu_vm.sh", ["none"], {"NAME": "n", "ZONE": "z", "BUCKET": "gs://box"}),
    ],
)
def test_a_wrong_line_is_answered_with_the_usage(script, words, environment):
    around = {key: value for key, value in os.environ.items() if key not in ("NAME", "ZONE", "NFS", "BUCKET")}
    done = subprocess.run(
        ["bash", str(LAUNCH / script), *words], env=around | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")


def jobset_on_a_share():
    """The job set as the line in its head makes it for a share."""
    text = (LAUNCH / "gke_jobset.yaml").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("#        sed ")]
    command = line.lstrip("# ").split(" | ")[0]
    return subprocess.run(shlex.split(command), cwd=ROOT, capture_output=True, text=True, check=True).stdout


def container_of(jobset):
    """The one container of a job set, with its pod."""
    (workers,) = jobset["spec"]["replicatedJobs"]
    pod = workers["template"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    return container, pod


def test_the_jobset_is_yaml_with_the_flags_of_main():
    text = (LAUNCH / "gke_jobset.yaml").read_text()
    found = yaml.safe_load(text)
    assert (found["apiVersion"], found["kind"]) == ("jobset.x-k8s.io/v1alpha2", "JobSet")
    (workers,) = found["spec"]["replicatedJobs"]
    job = workers["template"]["spec"]
    assert job["parallelism"] == job["completions"] == 4
    assert found["spec"]["coordinator"]["replicatedJob"] == workers["name"]
    container, pod = container_of(found)
    assert container["command"] == ["python", "-m", "jaxcnn.main"]
    assert "--distributed" in container["args"]
    assert_main_knows(container["args"])
    assert (ROOT / container["args"][0].removeprefix("--config=")).exists()
    assert {arg for arg in container["args"] if "gs://" in arg} == {
        "--workdir=gs://YOUR_BUCKET/runs/fashion_mnist_resnet20",
        "--config.data.dir=gs://YOUR_BUCKET/data",
    }
    assert "volumes" not in pod
    advised = re.findall(r"--(?:coordinator|num_processes|process_id)=", text)
    assert len(advised) == 3
    assert_main_knows([*container["args"], *(f"{flag}1" for flag in advised)])


def test_the_jobset_takes_a_share_in_place_of_the_bucket():
    container, pod = container_of(yaml.safe_load(jobset_on_a_share()))
    assert {"--workdir=/share/runs/fashion_mnist_resnet20", "--config.data.dir=/share/data"} <= {*container["args"]}
    (mount,), (volume,) = container["volumeMounts"], pod["volumes"]
    assert mount == {"name": volume["name"], "mountPath": "/share"}
    assert volume["persistentVolumeClaim"] == {"claimName": "share"}


@pytest.mark.parametrize("name", [*SCRIPTS, "gke_jobset.yaml"])
def test_every_header_says_what_it_does_needs_and_costs_and_whether_it_was_run(name):
    header = "".join(line for line in (LAUNCH / name).read_text().splitlines(True) if line.startswith("#"))
    for phrase in ("What it does: ", "What it needs: ", "What it costs: ", "usage: "):
        assert phrase in header
    assert ("It has not been run yet" in header) or ("It has been run with " in header)


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

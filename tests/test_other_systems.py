"""What Windows and macOS lack, or refuse, is not taken for granted. The tests themselves run on Linux."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jaxcnn import xla_flags
from jaxcnn.data.read.prepared import ARRAY_RECORD, TFRECORD
from jaxcnn.data.sets import writing
from jaxcnn.data.sets.builders import prepare
from jaxcnn.train.files.folder import read_lines
from tests.data.archives import tiny_catalog, write_archive

ROOT = Path(__file__).parents[1]
ELSEWHERE = """
import importlib, os, pkgutil, signal, sys, warnings
warnings.filterwarnings("ignore", "only soft file lock is available")  # jax's own import of filelock finds no fcntl
sys.modules |= dict.fromkeys(("fcntl", "grp", "pwd", "resource", "termios"))
for name in (
    "fork", "forkpty", "getloadavg", "getuid", "geteuid", "killpg", "mkfifo", "register_at_fork", "setsid", "statvfs",
):
    delattr(os, name)
for name in ("SIGALRM", "SIGCHLD", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGUSR1", "SIGUSR2"):
    delattr(signal, name)

import jaxcnn
from jaxcnn import entry, main, runtime
runtime.begin()
status = entry.answer(lambda: main.main(sys.argv[1:]))
for found in pkgutil.walk_packages(jaxcnn.__path__, "jaxcnn."):
    try:
        importlib.import_module(found.name)
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "torchvision"):
            raise
from jaxcnn.memory import peak_memory
assert peak_memory() > 0
assert runtime.machine()["load"] is None
sys.exit(status)
"""
REFUSED = set('<>:"|?*\\')
RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}


def refused(folder):
    """Returns the paths below a folder that Windows would not take."""
    return [
        path
        for path in folder.rglob("*")
        if REFUSED & set(path.name) or path.name[-1] in ". " or path.name.partition(".")[0].lower() in RESERVED
    ]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """What a process says that trains where there is nothing of Unix, and its run folder."""
    folder = tmp_path_factory.mktemp("elsewhere")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    environment |= {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(folder / "cache")}
    environment["XLA_FLAGS"] = " ".join(xla_flags.known("--xla_backend_optimization_level=0"))  # compiles quicker
    command = [sys.executable, "-c", ELSEWHERE, "--config=configs/digits_lenet5.py", f"--workdir={folder / 'run'}"]
    short = ["--config.total_steps=3", "--config.batch_size=8", "--config.tensorboard=True", "--config.data.augment="]
    return subprocess.run([*command, *short], env=environment, cwd=ROOT, capture_output=True, text=True), folder


def test_the_main_job_runs_and_all_modules_are_there_without_anything_of_unix(elsewhere):
    done, folder = elsewhere
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "test accuracy" in done.stdout
    assert read_lines(folder / "run" / "metrics.jsonl")[-1]["step"] == 3


def test_windows_takes_all_names_of_a_run_and_of_compiled_programs(elsewhere):
    _, folder = elsewhere
    assert list(folder.glob("run/tensorboard/*"))
    assert list(folder.glob("cache/jaxcnn/programs-*/*"))
    assert refused(folder) == []


@pytest.mark.parametrize("form", [ARRAY_RECORD, TFRECORD])
def test_windows_takes_all_names_of_a_prepared_data_set(form, monkeypatch, tmp_path):
    info = tiny_catalog(monkeypatch)
    write_archive(info, tmp_path / "official")
    during, whole = [], writing._records

    def watched(*arguments):
        during.extend(refused(tmp_path))
        return whole(*arguments)

    monkeypatch.setattr(writing, "_records", watched)
    prepare("mnist", source=tmp_path / "official", data_dir=tmp_path / "data", form=form)
    assert refused(tmp_path) + during == []


def _opens_text_as_the_locale_has_it(call):
    """Whether a call reads or writes text and leaves the encoding to the system: on Windows that is not UTF-8."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if name not in ("open", "fdopen", "read_text", "write_text", "TextIOWrapper"):
        return False
    modes = [
        value.value for value in ast.walk(call) if isinstance(value, ast.Constant) and isinstance(value.value, str)
    ]
    whose = getattr(getattr(call.func, "value", None), "id", "")
    binary = name.endswith("open") and any(set(mode) <= set("rwxab+") and "b" in mode for mode in modes)
    return not (
        binary or whose in ("Image", "gzip", "os", "tarfile") or any(key.arg == "encoding" for key in call.keywords)
    )


@pytest.mark.parametrize("room", ["jaxcnn", "configs", "benchmarks"])
def test_text_is_utf_8_everywhere(room):
    found = [
        f"{path}:{node.lineno}"
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and _opens_text_as_the_locale_has_it(node)
    ]
    assert found == []

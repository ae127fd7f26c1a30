"""What the checks run is there, and no room is left out."""

import os
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def arguments(path):
    """The lines of a file that are no comments."""
    return [line for line in (ROOT / path).read_text(encoding="utf-8").splitlines() if not line.startswith("#")]


ROOMS, BUCKETS, SLOW = map(arguments, (".ci/rooms", ".ci/buckets", "tests/slow.txt"))


def test_the_newest_python_is_tried_in_every_room():
    rooms = {path.name for path in (ROOT / "jaxcnn").iterdir() if any((ROOT / "tests" / path.name).glob("test_*.py"))}
    assert len(rooms) > 5
    assert rooms <= {Path(line).parts[1] for line in ROOMS}


def test_the_tests_that_are_named_are_there():
    for line in (*ROOMS, *BUCKETS, *SLOW):
        path, _, name = line.partition("[")[0].partition("::")
        assert f"def {name}" in (ROOT / path).read_text(encoding="utf-8")


def test_every_python_that_is_declared_is_no_older_than_what_is_required():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [each.rpartition(" ")[2] for each in project["classifiers"] if each.startswith("Programming Language")]
    assert declared == ["3.11", "3.12", "3.13"]
    assert project["requires-python"] == f">={declared[0]}"


def newest(folder, body):
    """What the checks take for the newest Python where python3.13 is a script with this line."""
    command = folder / "python3.13"
    command.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    command.chmod(0o755)
    lines = (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("usable="))
    script = "\n".join([*lines[first : lines.index("}") + 1], "newest"])
    path = f"{folder}{os.pathsep}{os.defpath}"
    done = subprocess.run(["bash", "-c", script], env={"PATH": path}, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.skipif(sys.platform == "win32", reason="the checks run in a shell")
def test_a_newest_python_without_pip_or_without_the_global_lock_is_none(tmp_path):
    python = shlex.quote(sys.executable)
    assert newest(tmp_path, f'exec {python} "$@"') == ["python3.13"]
    free = "import sys, sysconfig; sysconfig.get_config_var = lambda name: 1; exec(sys.argv[1])"
    assert newest(tmp_path, f'exec {python} -c {shlex.quote(free)} "$2"') == []
    bare = "import sys; sys.modules['ensurepip'] = None; exec(sys.argv[1])"
    assert newest(tmp_path, f'exec {python} -c {shlex.quote(bare)} "$2"') == []
    assert newest(tmp_path, "exit 127") == []


def test_the_checks_run_tests_of_buckets_with_their_extra():
    lines = (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
    (run,) = [line for line in lines if line.startswith("pytest ") and "-m buckets" in line]
    assert lines.index("pip install --quiet -e '.[buckets]'") < lines.index(run)
    assert {line.partition("::")[0].partition("/test_")[0] for line in BUCKETS} == {"tests/buckets"}
    assert {scheme for scheme in ("gs", "s3") if any(f"[{scheme}" in line for line in BUCKETS)} == {"gs", "s3"}

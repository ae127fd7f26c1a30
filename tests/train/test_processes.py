"""Real processes on this machine, connected by `jax.distributed`."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from jaxcnn import xla_flags
from tests.data.photos import write_folder

pytestmark = pytest.mark.slow


def outputs(count: int, folder: Path) -> list[str]:
    """What each of `count` processes says."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
    script = Path(__file__).with_name("one_of_two.py")
    flags = " ".join(xla_flags.known(f"--xla_force_host_platform_device_count={2 // count}"))
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}
    commands = [[sys.executable, str(script), str(number), str(count), port, str(folder)] for number in range(count)]
    started = [subprocess.Popen(each, stdout=subprocess.PIPE, text=True, env=environment) for each in commands]
    said = [process.communicate(timeout=300)[0] for process in started]
    assert [process.returncode for process in started] == [0] * count
    return ["\n".join(line for line in text.splitlines() if not line.startswith("[")) for text in said]


def test_two_processes_see_what_one_sees(tmp_path):
    write_folder(tmp_path, {"train/ant": 14, "train/bee": 16, "test/ant": 6, "test/bee": 5})
    for spoilt in (
        "train/ant/003.jpg",
        "train/ant/007.jpg",
        "train/bee/017.jpg",
        "train/bee/025.jpg",
        "test/bee/040.jpg",
    ):
        (tmp_path / spoilt).write_bytes(b"gone")
    alone, together = outputs(1, tmp_path), outputs(2, tmp_path)
    assert together == alone * 2
    *_, evaluated, skipped = alone[0].splitlines()
    assert evaluated.startswith("10 ")
    assert "'test': ['040.jpg']" in skipped
    assert len(re.findall("jpg", skipped)) >= 4  # of the five, at most one or two lie in the validation split

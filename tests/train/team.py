"""Real processes that train together on this machine, over gloo: as `python -m jaxcnn.main` in several terminals."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from jaxcnn import xla_flags

ROOT = Path(__file__).parents[2]
PROGRAM = """
import os, sys
sys.stdout = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # where gloo's threads write, between and within our lines
from jaxcnn import main, runtime
from jaxcnn.entry import answer, leave
runtime.configure()
from jaxcnn.train.devices import joining
joining.HEARTBEAT_SECONDS = int(sys.argv.pop(1))
leave(answer(lambda: main.main(sys.argv[1:])))
"""
CONFIG = """
from tests.train.test_loop import config
def get_config():
    return config(progress=False)
"""


class Team:
    """Processes that train one run; leaving the context ends what is left of them."""

    def __init__(self, folder, count, *arguments, devices=1, heartbeat=60, own=(), environments=()):
        """`own` are further arguments of each process, `environments` what each has set."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "small.py").write_text(CONFIG)
        self.folder, self.port = folder, free_port()
        environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "XLA_FLAGS": " ".join(xla_flags.known(f"--xla_force_host_platform_device_count={devices}")),
            "JAX_COMPILATION_CACHE_DIR": str(folder.parent / "cache"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }  # fmt: skip
        self.processes = []
        for number in range(count):
            together = (f"--coordinator=127.0.0.1:{self.port}", f"--num_processes={count}", f"--process_id={number}")
            line = (f"--config={folder / 'small.py'}", f"--workdir={folder / 'run'}", *(together if count > 1 else ()))
            with (folder / f"out.{number}").open("w") as out, (folder / f"err.{number}").open("w") as err:
                command = [
                    sys.executable,
                    "-c",
                    PROGRAM,
                    str(heartbeat),
                    *line,
                    *arguments,
                    *(own[number] if own else ()),
                ]
                variables = environment | (environments[number] if environments else {})
                self.processes.append(subprocess.Popen(command, env=variables, cwd=ROOT, stdout=out, stderr=err))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()

    def out(self, number):
        return (self.folder / f"out.{number}").read_text().splitlines()

    def err(self, number):
        return (self.folder / f"err.{number}").read_text().splitlines()

    def statuses(self, seconds=300):
        """Waits for all; returns their exit statuses."""
        return [process.wait(timeout=seconds) for process in self.processes]

    def wait_for_steps(self, seconds=300):
        """Waits until the first process has trained and validated."""
        until = time.monotonic() + seconds
        while not any("  val  " in line for line in self.out(0)):
            assert time.monotonic() < until, "it does not train"
            assert all(process.poll() is None for process in self.processes), self.err(0) + self.err(1)
            time.sleep(0.05)

    def fault(self, number, what):
        """Sends a signal to one; returns exit status and seconds of the other of two."""
        began = time.monotonic()
        self.processes[number].send_signal(what)
        status = self.processes[1 - number].wait(timeout=300)
        if what == signal.SIGSTOP:
            self.processes[number].kill()
        return status, time.monotonic() - began


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]

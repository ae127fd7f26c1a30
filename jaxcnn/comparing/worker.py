"""Trains the runs of a grid one after the other, each in a process of its own, as its command line would.

A process of its own gives its memory back, is counted for itself, and takes no other run with it when it fails. What it
compiles is in the cache of compiled programs, so the next seed of a cell does not compile it again.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jaxcnn import runtime
from jaxcnn.comparing.jobs import Job
from jaxcnn.comparing.outcomes import RUNNING, forget_failure, log_of, note_failure, outcome
from jaxcnn.errors import one_line

_TIED = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 15); os.getppid() == int(sys.argv[1]) or sys.exit(143); "
    "os.execv(sys.executable, [sys.executable, *sys.argv[2:]])"
)
"""Becomes another program of this Python, which the kernel asks to stop when its parent has ended in any way."""
_POLL = 0.5
"""Seconds between two looks at a run."""
_IN_USE = "is in use by"
"""In what a run says if another process has its folder."""

Look = Callable[[Job], None]
"""Is told again and again which run is trained."""


class Stopped(Exception):  # noqa: N818
    """The grid was asked to stop. The run that was trained has saved its state."""


def trained(job: Job, folder: Path, look: Look | None = None) -> str:
    """Trains a run to its end; returns what has become of it, one of `jaxcnn.comparing.outcomes.STATES`.

    A run that fails is noted beside its folder, with the last line of what it said.

    Args:
        job: to do.
        folder: of the grid.
        look: is called about twice a second meanwhile.

    Raises:
        Stopped: after SIGTERM or SIGINT, once the run has saved its state.
    """
    log = log_of(job.place)
    log.parent.mkdir(parents=True, exist_ok=True)
    forget_failure(job.place)
    began = log.stat().st_size if log.exists() else 0
    with log.open("ab") as output, _started(job, output) as process, _handed_on(process) as asked:
        while process.poll() is None:
            if look:
                look(job)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_POLL)
    if asked:
        raise Stopped
    said = log.read_bytes()[began:].decode(errors="replace")
    if process.returncode and _IN_USE in _last_line(said):
        return RUNNING
    if process.returncode:
        note_failure(job.place, _reason(process.returncode, said))
    return outcome(folder, job.cell, job.seed).state


@contextlib.contextmanager
def _started(job: Job, output: Any) -> Iterator["subprocess.Popen[bytes]"]:
    """Gives the process of a run, which is asked to stop where this block ends early."""
    command = job.command
    if sys.platform == "linux":
        command = [sys.executable, "-c", _TIED, str(os.getpid()), *command[1:]]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=runtime.inherited()
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait()


@contextlib.contextmanager
def _handed_on(process: "subprocess.Popen[bytes]") -> Iterator[list[int]]:
    """Hands SIGTERM and SIGINT on to a run as SIGTERM, at which it saves its state. Gives the list of those that came.

    Python allows this in its main thread only; in another one nothing is handed on.
    """
    came: list[int] = []

    def hand_on(number: int, frame: Any) -> None:
        del frame
        came.append(number)
        with contextlib.suppress(OSError):
            process.terminate() if len(came) == 1 else process.kill()

    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    before = {number: signal.signal(number, hand_on) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _reason(status: int, said: str) -> str:
    """Returns why a process failed, in a line."""
    if status < 0:
        name = signal.Signals(-status).name
        return f"killed by {name}" + (", as by a system that is out of memory" if name == "SIGKILL" else "")
    return _last_line(said) or f"ended with status {status}"


def _last_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    own = [line.removeprefix("jaxcnn: ") for line in lines if line.startswith("jaxcnn: ")]
    return one_line(own[-1] if lines and lines[-1].startswith("jaxcnn: ") else lines[-1] if lines else "")

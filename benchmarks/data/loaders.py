"""Compares data loaders: `python benchmarks/data/loaders.py [--only GROUP] [--rounds N] [--json FILE]`.

Every contender has its own process, which waits for its turns. A turn first takes the batches that were read ahead,
without measuring, and then measures as many batches again. The contenders take turns, so that other load on the machine
slows all of them alike. CPU seconds an image, of the process and all processes that it started, and wall time are
compared.
"""

import argparse
import contextlib
import importlib.metadata
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from contenders import PHOTOS, SMALL
from figures import fill, tables
from parts import measure_parts
from photos import write_photos

PACKAGES = ("jax", "numpy", "pillow", "opencv-python-headless", "simplejpeg", "grain", "torch")
GROUPS = {"photos": PHOTOS, "small": SMALL}


def main() -> None:
    """Measures, prints the tables and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument(
        "--only", choices=[*GROUPS, "parts", "none"], help="the only group to measure; other figures in the file stay"
    )
    parser.add_argument("--json", type=Path, help="file of the figures; new figures replace old ones")
    parser.add_argument("--readme", type=Path, help="file whose tables are replaced")
    parser.add_argument("--serve", help="a contender; for internal use in the processes that this one starts")
    parser.add_argument("--photos", type=Path)
    arguments = parser.parse_args()
    if arguments.serve:
        serve((PHOTOS | SMALL)[arguments.serve], arguments.photos)
        return
    result = (
        json.loads(arguments.json.read_text(encoding="utf-8")) if arguments.json and arguments.json.exists() else {}
    )
    with tempfile.TemporaryDirectory() as folder:
        write_photos(Path(folder))
        for group in [arguments.only] if arguments.only else [*GROUPS, "parts"]:
            result |= measure_group(group, folder, arguments.rounds)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    found = tables(result)
    print("\n\n".join(found.values()))
    if arguments.readme:
        fill(arguments.readme, found)


def measure_group(group: str, folder: str, rounds: int) -> dict[str, dict[str, object]]:
    """Returns what was measured, by group."""
    if group == "none":
        return {}
    found = {"machine": machine(), "rounds": rounds}
    if group == "parts":
        return {group: found | {"microseconds": measure_parts(Path(folder), rounds)}}
    return {group: found | {"turns": measure([*GROUPS[group]], folder, rounds)}}


def measure(names: list[str], folder: str, rounds: int) -> dict[str, list[dict[str, float]]]:
    """Returns, for each contender, the seconds of each of its turns."""
    with contextlib.ExitStack() as stack:
        running = {name: stack.enter_context(start(name, folder)) for name in names}
        turns: dict[str, list[dict[str, float]]] = {name: [] for name in names}
        for number in range(rounds + 1):
            for name, process in running.items():
                taken = turn(process)
                if number:  # the first turn starts threads and compiles
                    turns[name].append(taken)
            print(f"round {number} of {rounds}", file=sys.stderr)
        for process in running.values():
            process.stdin.close()
    return turns


def start(name: str, folder: str) -> subprocess.Popen:
    """Starts the process of a contender."""
    command = [sys.executable, __file__, "--serve", name, "--photos", folder]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def turn(process: subprocess.Popen) -> dict[str, float]:
    """Makes a contender take a turn; returns its wall and CPU seconds an image."""
    process.stdin.write("turn\n")
    process.stdin.flush()
    for line in process.stdout:
        if line.startswith("{"):
            return json.loads(line)
    raise RuntimeError("a contender ended")


def serve(contender, folder: Path) -> None:
    """Takes a turn for every line on standard input."""
    batches, ahead, count = contender(folder)
    for _ in sys.stdin:
        take(batches, ahead)
        wall, cpu = time.perf_counter(), cpu_seconds()
        images = take(batches, count)
        taken = {"wall": (time.perf_counter() - wall) / images, "cpu": (cpu_seconds() - cpu) / images}
        print(json.dumps(taken), flush=True)
    for pid in family():
        os.kill(pid, signal.SIGKILL)  # the loaders' workers, which would outlive this process
    os._exit(0)


def take(batches: Iterator[int], count: int) -> int:
    """Takes `count` batches; returns their number of images."""
    return sum(next(batches) for _ in range(count))


def cpu_seconds() -> float:
    """Returns the CPU seconds of this process, its ended children and its living descendants (Linux)."""
    ended = os.times()
    living = sum(family().values()) / os.sysconf("SC_CLK_TCK")
    return time.process_time() + ended.children_user + ended.children_system + living


def family() -> dict[int, int]:
    """Returns the descendants of this process and the clock ticks of CPU that each has used."""
    times, parents = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
            parents[int(stat.parent.name)], times[int(stat.parent.name)] = int(fields[1]), sum(map(int, fields[11:13]))
    found = [os.getpid()]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return {pid: times[pid] for pid in found[1:]}


def machine() -> dict[str, object]:
    """Returns facts about the machine and the versions of the libraries."""
    cpu = [
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if "model name" in line
    ]
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {
        "cpu": cpu[0],
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "python": platform.python_version(),
        **versions,
    }


if __name__ == "__main__":
    main()

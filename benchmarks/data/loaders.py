"""Data loaders side by side: `python benchmarks/data/loaders.py [--rounds N] [--json FILE]`; see README.md.

Every contender is a process of its own that stands still until it is its turn. A turn first takes, unmeasured, what had
been prepared ahead, then measures as many batches again. The contenders take turns, so that other load on the machine
strikes all alike; what is compared are CPU seconds an image, of the process and all that it started, and wall time.
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

import numpy as np
from contenders import PHOTOS, SMALL
from photos import COUNT, write_photos

PACKAGES = ("jax", "numpy", "pillow", "opencv-python-headless", "simplejpeg", "grain", "torch")
BARE, TORCH_PHOTOS, TORCH_SMALL = "loop, simplejpeg + cv2", "torch.utils.data + PIL", "torch.utils.data + PIL, 28x28"
COMPARED = {  # contender -> what its ratios are to
    **dict.fromkeys(PHOTOS, (BARE, TORCH_PHOTOS)),
    **dict.fromkeys(SMALL, (TORCH_SMALL,)),
}


def main() -> None:
    """Measures, prints the table and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", choices=["photos", "small"], help="one of the two comparisons")
    parser.add_argument("--serve", help="a contender, for the processes that this one starts")
    parser.add_argument("--photos", type=Path)
    arguments = parser.parse_args()
    if arguments.serve:
        serve((PHOTOS | SMALL)[arguments.serve], arguments.photos)
        return
    with tempfile.TemporaryDirectory() as folder:
        write_photos(Path(folder))
        names = {"photos": [*PHOTOS], "small": [*SMALL]}.get(arguments.only, [*PHOTOS, *SMALL])
        turns = measure(names, folder, arguments.rounds)
    result = {"machine": machine(), "rounds": arguments.rounds, "photos": COUNT, "turns": turns, "table": table(turns)}
    show(result["table"])
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


def measure(names: list[str], folder: str, rounds: int) -> dict[str, list[dict[str, float]]]:
    """Returns, by contender, what each of its turns took."""
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
    """Lets a contender take a turn; returns its seconds an image, of wall and of CPU."""
    process.stdin.write("turn\n")
    process.stdin.flush()
    for line in process.stdout:
        if line.startswith("{"):
            return json.loads(line)
    raise RuntimeError("a contender ended")


def serve(contender, folder: Path) -> None:
    """Takes a turn for every line that comes in."""
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
    """Takes batches; returns how many images they held."""
    return sum(next(batches) for _ in range(count))


def cpu_seconds() -> float:
    """Returns the CPU seconds of this process, its children that ended, and all its descendants that live (Linux)."""
    ended = os.times()
    living = sum(family().values()) / os.sysconf("SC_CLK_TCK")
    return time.process_time() + ended.children_user + ended.children_system + living


def family() -> dict[int, int]:
    """Returns the descendants of this process and the clock ticks of CPU that each has used."""
    times, parents = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            parents[int(stat.parent.name)], times[int(stat.parent.name)] = int(fields[1]), sum(map(int, fields[11:13]))
    found = [os.getpid()]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return {pid: times[pid] for pid in found[1:]}


def machine() -> dict[str, object]:
    """Returns what was measured on."""
    cpu = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {
        "cpu": cpu[0],
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "python": platform.python_version(),
        **versions,
    }


def table(turns: dict[str, list[dict[str, float]]]) -> dict[str, dict[str, object]]:
    """Returns, by contender, medians over the rounds, and ratios [quartile, median, quartile] of rounds."""
    seconds = {
        name: {key: np.array([each[key] for each in taken]) for key in ("cpu", "wall")} for name, taken in turns.items()
    }
    return {
        name: {
            "cpu_ms": float(np.median(own["cpu"]) * 1e3),
            "per_cpu_second": float(1 / np.median(own["cpu"])),
            "per_second": float(1 / np.median(own["wall"])),
            "ratio": {
                f"{key} to {other}": np.quantile(seconds[other][key] / own[key], [0.25, 0.5, 0.75]).tolist()
                for other in COMPARED[name]
                for key in ("cpu", "wall")
            },
        }
        for name, own in seconds.items()
    }


def show(rows: dict[str, dict[str, object]]) -> None:
    """Prints the table in Markdown."""
    print("| loader | CPU ms an image | images/s and core | images/s | ratios by CPU time |")
    print("|---|---|---|---|---|")
    for name, row in rows.items():
        ratios = (
            f"{middle:.2f} ({low:.2f}-{high:.2f})"
            for key, (low, middle, high) in row["ratio"].items()
            if key.startswith("cpu")
        )
        print(
            f"| {name} | {row['cpu_ms']:.4f} | {row['per_cpu_second']:,.0f} | {row['per_second']:,.0f} "
            f"| {', '.join(ratios)} |"
        )


if __name__ == "__main__":
    main()

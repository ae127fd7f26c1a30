"""Measures how long a run takes to begin: `python benchmarks/compile/start.py [--rounds N]`.

A user's command trains ResNet-50 of configs/imagenet_resnet50.py for one step, in float32, on a folder of images that
this script makes: first with an empty cache of compiled programs, then with the cache of the first start. Times are
from the start of the process to its first line, and to the metrics of its first step. They are written to README.md.
"""

import argparse
import importlib.metadata
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from jaxcnn import runtime
from jaxcnn.table import markdown_table, measured_on, set_between

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
README = HERE / "README.md"
MARK = "<!-- made by start.py -->"
CACHE = ("JAX_COMPILATION_CACHE", "JAX_PERSISTENT_CACHE", "JAX_ENABLE_COMPILATION_CACHE")
HEADER = ("start", "first line s", "first step s")


def main() -> None:
    """Starts a run once with an empty cache, and then several times with the cache."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="warm starts; default: 3")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_images(folder / "images")
        found = [start(folder, f"run{number}") for number in range(arguments.rounds + 1)]
    write_table(found)


def make_images(folder: Path) -> None:
    """Writes 64 images of noise, in two classes."""
    random = np.random.default_rng(0)
    for split in ("train", "test"):
        for label in ("a", "b"):
            (folder / split / label).mkdir(parents=True)
            for number in range(16):
                pixels = random.integers(256, size=(256, 256, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / split / label / f"{number}.jpg")


def start(folder: Path, run: str) -> tuple[float, float]:
    """Returns the seconds to the first line and to the metrics of the first step, of a run in its own folder."""
    command = [
        *(sys.executable, "-m", "jaxcnn.main", "--config=configs/imagenet_resnet50.py", f"--workdir={folder / run}"),
        *("--config.data.name=folder", f"--config.data.dir={folder / 'images'}", "--config.data.validation=0.25"),
        *("--config.batch_size=8", "--config.eval_batch_size=8", "--config.precision=float32"),
        *("--config.total_steps=1", "--config.log_every=1 steps"),
    ]
    environment = {name: text for name, text in os.environ.items() if not name.startswith(CACHE)}
    environment |= {"XDG_CACHE_HOME": str(folder / "cache"), "PYTHONUNBUFFERED": "1"}
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    process.stdout.readline()
    first = time.perf_counter() - began
    metrics = folder / run / "metrics.jsonl"
    while process.poll() is None and not (metrics.exists() and metrics.read_text(encoding="utf-8").strip()):
        time.sleep(0.02)
    step = time.perf_counter() - began
    process.stdout.read()
    if process.wait():
        sys.exit("the run has failed")
    return first, step


def write_table(found: list[tuple[float, float]]) -> None:
    """Writes the figures between the two marks of the README."""
    names = ["nothing cached", *(f"cached, {number}" for number in range(1, len(found)))]
    rows = [(name, *(f"{value:.1f}" for value in times)) for name, times in zip(names, found, strict=True)]
    where = measured_on(runtime.machine(), JAX=importlib.metadata.version("jax"))
    table = f"{markdown_table(HEADER, rows)}\n\n{where}; each row is one start."
    print(table)
    set_between(README, MARK, table)


if __name__ == "__main__":
    main()

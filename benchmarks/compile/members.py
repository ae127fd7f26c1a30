"""Measures how long each model's training step takes to compile: `python benchmarks/compile/members.py [PATTERN]`.

Each step is traced and compiled in its own process, without the cache of compiled programs, and is not run. Results are
added to figures.json one by one, and the table of README.md is written from all of them.
"""

import argparse
import concurrent.futures
import fnmatch
import importlib.metadata
import json
import multiprocessing
import os
import time
from pathlib import Path
from typing import Any

from jaxcnn import runtime
from jaxcnn.memory import peak_memory
from jaxcnn.table import markdown_table, measured_on, set_between

HERE = Path(__file__).parent
FIGURES = HERE / "figures.json"
README = HERE / "README.md"
MARK = "<!-- made by members.py -->"
HEADER = ("model", "px", "trace s", "compile s", "CPU s of both", "temporaries MiB", "peak MiB of the process")
BATCH = 8


def main() -> None:
    """Compiles the requested models that have no figures yet, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pattern", nargs="?", default="*", help="of names of models; default: all")
    parser.add_argument("--again", action="store_true", help="also those that figures.json has")
    arguments = parser.parse_args()
    figures = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    for name in _names(arguments.pattern):
        if arguments.again or name not in figures:
            figures[name] = _apart(name)
            print(name, figures[name], flush=True)
            FIGURES.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    _write_table(figures)


def _names(pattern: str) -> list[str]:
    from jaxcnn.models import MODELS

    return sorted(fnmatch.filter(MODELS, pattern))


def _apart(name: str) -> dict[str, Any]:
    """Returns the result of `_measure` in its own process."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_measure, name).result()


def _measure(name: str) -> dict[str, Any]:
    os.environ |= {"JAX_ENABLE_COMPILATION_CACHE": "false", "JAX_PLATFORMS": "cpu"}
    runtime.configure()
    from jaxcnn.commands.benchmark_step import work_of
    from jaxcnn.commands.steps.ours import lower_step

    work = work_of(name, batch_size=BATCH)
    began, cpu = time.perf_counter(), time.process_time()
    lowered = lower_step(work)
    traced = time.perf_counter()
    compiled = lowered.compile()
    return {
        "on": measured_on(runtime.machine(), JAX=importlib.metadata.version("jax")),
        "image_size": work.image_size,
        "trace_s": traced - began,
        "compile_s": time.perf_counter() - traced,
        "cpu_s": time.process_time() - cpu,
        "temporary": compiled.memory_analysis().temp_size_in_bytes,
        "resident": peak_memory(),
    }


def _write_table(figures: dict[str, dict[str, Any]]) -> None:
    slowest_first = sorted(figures.items(), key=lambda item: -item[1]["compile_s"])
    rows = [
        (
            f"`{name}`",
            f"{found['image_size']}",
            *(f"{found[key]:.1f}" for key in ("trace_s", "compile_s", "cpu_s")),
            *(f"{found[key] / 2**20:,.0f}" for key in ("temporary", "resident")),
        )
        for name, found in slowest_first
    ]
    where = "; ".join(sorted({found["on"] for found in figures.values()}))
    set_between(README, MARK, f"{markdown_table(HEADER, rows)}\n\n{where}; each once.")


if __name__ == "__main__":
    main()

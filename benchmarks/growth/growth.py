"""Measures how the cost of a training step grows: `python benchmarks/growth/growth.py [--draw]` (needs matplotlib).

The base is ResNet-20 on 32 x 32 images in batches of 64. One thing is changed at a time: batch size, image size, depth,
width. The points of a line take turns, each in its own process. Results are written to figures.json, drawn in
growth.png, and written to README.md; `--draw` only draws.
"""

import argparse
import contextlib
import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

from jaxcnn.commands.steps.process import OURS, Process
from jaxcnn.commands.steps.work import Work
from jaxcnn.commands.stopwatch import Rate, in_turns
from jaxcnn.table import markdown_table, set_between

HERE = Path(__file__).parent
FIGURES, PICTURE, README = HERE / "figures.json", HERE / "growth.png", HERE / "README.md"
MARK = "<!-- made by growth.py -->"
SAYS = "Images per second and memory against batch size, image size, depth and width"
BASE = Work(
    model="resnet20",
    stem=None,
    batch_size=64,
    image_size=32,
    channels=3,
    num_classes=10,
    precision="float32",
    train=True,
)
LINES = {
    "batch size": {size: {"batch_size": size} for size in (8, 16, 32, 64, 128, 256)},
    "image size": {size: {"image_size": size} for size in (16, 32, 64, 96)},
    "depth": {depth: {"model": f"resnet{depth}"} for depth in (20, 32, 44, 56, 110)},
    "width": {width: {"fields": {"features": width}} for width in (8, 16, 32, 64)},
}
SECONDS, ROUNDS = 12.0, 5


def main() -> None:
    """Measures, except with --draw; draws; writes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draw", action="store_true", help="only draw what figures.json holds")
    parser.add_argument("--only", choices=LINES, help="measure this line alone")
    arguments = parser.parse_args()
    figures = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    for name in () if arguments.draw else [arguments.only] if arguments.only else LINES:
        figures[name] = measure(LINES[name])
        FIGURES.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    draw(figures)
    write_table(figures)


def measure(points: dict[int, dict[str, Any]]) -> list[dict[str, float]]:
    """Returns the result of each point of a line."""
    with contextlib.ExitStack() as stack:
        works = {value: dataclasses.replace(BASE, **change) for value, change in points.items()}
        processes = {
            value: stack.enter_context(contextlib.closing(Process(OURS, work))) for value, work in works.items()
        }
        takes = {str(value): _taker(process) for value, process in processes.items()}
        taken = in_turns(takes, seconds=SECONDS, rounds=ROUNDS)
        found = []
        for value, process in processes.items():
            facts = process.facts()
            found.append(
                {
                    "value": value,
                    **Rate.of(taken[str(value)])._asdict(),
                    "flop": facts["flop"] / works[value].batch_size,
                    "temporary": facts["memory"]["temporary"],
                    "device_peak": facts["memory"]["device_peak"],
                    "load": os.getloadavg()[1],
                }
            )
    return found


def _taker(process: Process) -> Any:
    return lambda: process.take(SECONDS / ROUNDS)


def draw(figures: dict[str, list[dict[str, float]]]) -> None:
    """Draws images per second, and the memory of a step's temporaries, over each line, with logarithmic axes."""
    mpl.use("Agg")
    panels, axes = plt.subplots(2, len(figures), figsize=(3.2 * len(figures), 5.6), sharey="row", squeeze=False)
    for (name, found), (upper, lower) in zip(figures.items(), axes.T, strict=True):
        values = [point["value"] for point in found]
        middle = [point["median"] for point in found]
        spread = [
            [point["median"] - point["low"] for point in found],
            [point["high"] - point["median"] for point in found],
        ]
        upper.errorbar(values, middle, yerr=spread, marker="o", label="measured")
        by_work = [middle[0] * found[0]["flop"] / point["flop"] for point in found]
        upper.plot(values, by_work, linestyle=":", color="grey", label="as operations grow")
        lower.plot(values, [point["temporary"] / 2**20 for point in found], marker="o")
        for panel in (upper, lower):
            panel.set(xscale="log", yscale="log", xticks=values, xticklabels=values)
            panel.minorticks_off()
            panel.grid(alpha=0.3)
        lower.set_xlabel(name)
    axes[0, 0].set_ylabel("images/s")
    axes[1, 0].set_ylabel("MiB of temporaries")
    axes[0, 0].legend(loc="lower left")
    panels.tight_layout()
    panels.savefig(PICTURE, dpi=110)


def write_table(figures: dict[str, list[dict[str, float]]]) -> None:
    """Writes the figures between the two marks of the README."""
    header, rows = ("changed", "to", "images/s", "MFLOP an image", "GFLOP/s", "MiB of temporaries"), []
    for name, found in figures.items():
        for point in found:
            rate = f"{point['median']:,.0f} ({point['low']:,.0f}-{point['high']:,.0f})"
            speed = point["flop"] * point["median"] / 1e9
            memory = f"{point['temporary'] / 2**20:,.0f}"
            rows.append((name, f"{point['value']}", rate, f"{point['flop'] / 1e6:,.0f}", f"{speed:,.0f}", memory))
    set_between(README, MARK, f"![{SAYS}](growth.png)\n\n{markdown_table(header, rows)}")


if __name__ == "__main__":
    main()

"""Accuracy, loss and calibration of single nets, of averaged ones, and of ensembles of five seeds.

python experiments/regularization/calibration.py RUNS calibration.csv evaluates the runs of the four grids in the folder
RUNS on the test split.
"""

import csv
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jaxcnn

CASES = {
    "nothing": ("regularization/lenet5_relu-weight_decay0-dropout_rate0-augment", "latest"),
    "decay": ("regularization/lenet5_relu-weight_decay0.1-dropout_rate0-augment", "latest"),
    "dropout": ("regularization/lenet5_relu-weight_decay0-dropout_rate0.5-augment", "latest"),
    "shifts": ("regularization/lenet5_relu-weight_decay0-dropout_rate0-augmentshift_2", "latest"),
    "shifts, dropout": ("regularization/lenet5_relu-weight_decay0-dropout_rate0.5-augmentshift_2", "latest"),
    "shifts, EMA": ("regularization_averages/lenet5_relu-decay0.98-startNone", "latest"),
    "shifts, SWA": ("regularization_averages/lenet5_relu-decayNone-start45_epochs", "swa"),
    "shifts, constant rate": ("regularization_constant/lenet5_relu-decayNone-startNone", "latest"),
    "shifts, constant rate, EMA": ("regularization_constant/lenet5_relu-decay0.98-startNone", "latest"),
    "shifts, constant rate, SWA": ("regularization_constant/lenet5_relu-decayNone-start45_epochs", "swa"),
    "nothing, the same images": ("regularization_members/lenet5_relu-augment", "latest"),
    "shifts, the same images": ("regularization_members/lenet5_relu-augmentshift_2", "latest"),
}
"""Name -> folder of a cell, and which state of its runs."""
HEADER = (
    "case", "n", "accuracy, %", "deviation", "loss, nats", "calibration error, %",
    "ensemble: accuracy, %", "ensemble: loss, nats", "ensemble: calibration error, %",
)  # fmt: skip


def row(name: str, found: Mapping[str, Any]) -> list[Any]:
    """Returns a row: the means of the nets of some seeds, and what their ensemble has, as `jaxcnn.evaluate` says."""
    alone = found["members"]
    mean = {key: alone[key]["mean"] for key in ("accuracy", "nll", "ece")}
    single, together = (
        [f"{100 * each['accuracy']:.2f}", f"{each['nll']:.3f}", f"{100 * each['ece']:.1f}"] for each in (mean, found)
    )
    return [name, len(alone["seeds"]), single[0], f"{100 * alone['accuracy']['std']:.2f}", *single[1:], *together]


def main(runs: Path, output: Path) -> None:
    """Evaluates all cases, and writes the table."""
    with output.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        for name, (cell, step) in CASES.items():
            writer.writerow(row(name, jaxcnn.evaluate(sorted((runs / cell).glob("seed?")), step=step)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

"""Trains CIFAR-10 to 90 % by jaxcnn and by PyTorch, in turns: python -m experiments.speedrun.race WORK N.

WORK is a folder for the runs; N is the number of seeds. Each training has its own process. The result is `race.csv`
beside this file. `seconds` are those of training steps, with data and augmentation, without compiling; `whole` is the
process from its start to its end.
"""

import csv
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from jaxcnn.reporting.recorded import read_run

HERE = Path(__file__).parent
Row = dict[str, object]


def ours(work: Path, seed: int) -> Row:
    """Returns accuracy and seconds of a run of `jaxcnn train`."""
    folder = work / f"seed{seed}"
    _run(
        *("-m", "jaxcnn", "train", f"--config={HERE / 'config.py'}:cpu", f"--workdir={folder}"),
        f"--config.seed={seed}",
    )
    rows = read_run(str(folder), folder.name, folder).rows
    accuracy = next(100 * row["test/accuracy"] for row in reversed(rows) if "test/accuracy" in row)
    return {"accuracy": accuracy, "seconds": sum(row.get("train/seconds", 0) for row in rows)}


def theirs(work: Path, seed: int) -> Row:
    """Returns accuracy and seconds of a training by PyTorch."""
    del work
    found = json.loads(_run("-m", "experiments.speedrun.theirs", str(seed)).splitlines()[-1])
    return {name: found[name] for name in ("accuracy", "seconds")}


def _run(*words: str) -> str:
    return subprocess.run([sys.executable, *words], check=True, stdout=subprocess.PIPE, text=True).stdout


CONTENDERS: dict[str, Callable[[Path, int], Row]] = {"ours": ours, "PyTorch": theirs}


def main(words: Sequence[str]) -> None:
    """Runs the race and writes its table after each turn."""
    work, seeds = Path(words[0]), int(words[1])
    rows: list[Row] = []
    for seed in range(seeds):
        for name, contender in CONTENDERS.items():
            began = time.perf_counter()
            found = contender(work, seed)
            rows.append({"contender": name, "seed": seed, **found, "whole": time.perf_counter() - began})
            _write(rows)
            print(rows[-1], flush=True)


def _write(rows: Sequence[Row]) -> None:
    with (HERE / "race.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows([{key: f"{v:.2f}" if isinstance(v, float) else v for key, v in row.items()} for row in rows])


if __name__ == "__main__":
    main(sys.argv[1:])

"""Prints what finished runs of recipes reached, as jaxcnn/recipes/reached.toml has it: `python .../entry.py RUN...`."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.errors import UserError
from jaxcnn.recipes.name import is_recipe
from jaxcnn.reporting.recorded import read_run

_OWN = ("--workdir", "--config.data.dir", "--config.progress", "--config.tensorboard")
"""Options that change no result."""


def entry(run: Path, note: str = "") -> str:
    """Returns the entry of a run folder, in TOML.

    Args:
        run: the folder.
        note: on the machine, behind what the run card has of it.

    Raises:
        UserError: for a run that no recipe began, or that is not finished, and for a folder that holds no run.
    """
    found = read_run(str(run), run.name, run)
    card = found.card
    options = dict(word.partition("=")[::2] for word in card["command_line"] if word.startswith("--"))
    name = options.pop("--config", "")
    if not is_recipe(name):
        raise UserError(f"{run} was not begun by --config=train:DATA,MODEL,RECIPE")
    seeds = card["seeds"]
    last = next((row for row in reversed(found.rows) if _names(seeds)[0] in row), None)
    if found.step != card["total_steps"] or not found.finished or last is None:
        raise UserError(f"{run} is not finished")
    kept = [f"{option}={value}" for option, value in options.items() if option not in _OWN]
    lines: dict[str, Any] = {
        "name": name,
        "accuracy": accuracies(last, seeds),
        "epochs": round(last["epoch"], 2),
    }
    lines |= {"examples": card["data"]["examples"]["test"], "seconds": round(card["duration_seconds"], 1)}
    lines |= {"options": " ".join(kept), "machine": ", ".join(filter(None, [machine(card), note]))}
    return "\n".join(f"{key} = {json.dumps(value)}" for key, value in lines.items())


def accuracies(row: Mapping[str, Any], seeds: Sequence[int]) -> list[float]:
    """Returns the test accuracy of each seed, in percent."""
    return [round(100 * row[name], 2) for name in _names(seeds)]


def _names(seeds: Sequence[int]) -> list[str]:
    return ["test/accuracy"] if len(seeds) == 1 else [f"test/accuracy/seed{seed}" for seed in seeds]


def machine(card: Mapping[str, Any]) -> str:
    """Returns in words what a run ran on."""
    cores = f"{card['cpus']} cores of {card['processor']}"
    return f"{cores}, {card['config']['precision']}, JAX {card['versions']['jax']}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("runs", metavar="RUN", nargs="+", type=Path)
    parser.add_argument("--note", metavar="TEXT", default="", help="on the machine, as 'with other work beside'")
    arguments = parser.parse_args()
    try:
        print("\n\n".join(entry(run, arguments.note) for run in arguments.runs))
    except UserError as error:
        sys.exit(str(error))

"""Measures steps of several seeds at once, and of one seed: `python benchmarks/seeds/measure.py [--json FILE]`."""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import jax

from jaxcnn.config import base_config
from jaxcnn.train.devices.mesh import in_turn, on_every_device
from jaxcnn.train.parts import metrics
from jaxcnn.train.setup import make_run
from jaxcnn.train.training import make_run_dispatch

MODELS = ("mlp1", "mlp3", "lenet5_relu")
SEEDS = (2, 4, 8, 16)
Gains: TypeAlias = dict[str, dict[str, float]]
"""By the number of seeds."""


def steps(model: str, num_seeds: int, *, batch_size: int, number: int) -> Callable[[], float]:
    """Returns a function that takes `number` training steps on the digits, and returns the seconds of one step.

    Args:
        model: name of the net.
        num_seeds: trained at once.
        batch_size: of each seed.
        number: of dispatches that are measured.
    """
    config = base_config()
    config.model.name, config.num_seeds, config.batch_size = model, num_seeds, batch_size
    config.optimizer.learning_rate = 0.01
    run = make_run(config)
    dispatch, randomness, feed = make_run_dispatch(run), run.randomness, run.pipeline.feed(0)
    carry = run.init_state(), on_every_device(run.mesh, metrics.zeros(num_seeds))
    carry = jax.block_until_ready(dispatch(*carry, feed, randomness, num_steps=run.steps_per_dispatch))

    def take() -> float:
        nonlocal carry
        began = time.perf_counter()
        for _ in range(number):
            carry = in_turn(run.mesh, dispatch(*carry, feed, randomness, num_steps=run.steps_per_dispatch))
        jax.block_until_ready(carry)
        return (time.perf_counter() - began) / number / run.steps_per_dispatch

    return take


def measure(
    model: str, seeds: Sequence[int], *, batch_size: int, rounds: int, number: int
) -> dict[str, dict[str, float]]:
    """Returns, by number of seeds, the time of single seeds one after the other divided by that of all at once.

    Args:
        model: name of the net.
        seeds: numbers of seeds.
        batch_size: of each seed.
        rounds: turns of each.
        number: of dispatches in a turn.
    """
    alone = steps(model, 1, batch_size=batch_size, number=number)
    several = {count: steps(model, count, batch_size=batch_size, number=number) for count in seeds}
    ratios: dict[int, list[float]] = {count: [] for count in seeds}
    times: dict[int, list[float]] = {count: [] for count in seeds}
    for _ in range(rounds):  # in turns, so that other work slows all alike
        for count, take in several.items():
            times[count].append(take())
            ratios[count].append(count * alone() / times[count][-1])
    return {
        str(count): {
            "gain": statistics.median(found),
            "lowest": min(found),
            "highest": max(found),
            "milliseconds": statistics.median(times[count]) * 1e3,
        }
        for count, found in ratios.items()
    }


def main() -> None:
    """Measures, prints a table, and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=30, help="in each turn")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    print("| net | " + " | ".join(f"{count} seeds" for count in arguments.seeds) + " |")
    print("|---" * (len(arguments.seeds) + 1) + "|")
    found = {}
    for model in arguments.models:
        found[model] = measure(
            model, arguments.seeds, batch_size=arguments.batch_size, rounds=arguments.rounds, number=arguments.steps
        )
        cells = (f"{each['gain']:.2f} ({each['lowest']:.2f}-{each['highest']:.2f})" for each in found[model].values())
        print(f"| {model} | " + " | ".join(cells) + " |", flush=True)
        if arguments.json:
            write(arguments.json, arguments.rounds, arguments.batch_size, found)


def write(path: Path, rounds: int, batch_size: int, gains: dict[str, Gains]) -> None:
    """Writes the figures, and adds those of other nets that the file has.

    Args:
        path: of the JSON file.
        rounds: of the measurement.
        batch_size: of the measurement.
        gains: by net.
    """
    device = jax.devices()[0]
    about = {"device": device.device_kind, "platform": device.platform, "machine": platform.machine()}
    about |= {"jax": jax.__version__, "rounds": rounds, "batch_size": batch_size}
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    found = before | {name: {**about, "gains": each} for name, each in gains.items()}
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

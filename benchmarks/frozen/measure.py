"""Measures training steps of which a part is frozen: `python benchmarks/frozen/measure.py [--json FILE]`."""

# ruff: noqa: E402
import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jaxcnn import runtime

runtime.configure()  # before jax is imported
import jax
import numpy as np
import optax

from jaxcnn.accel.accelerate import accelerate
from jaxcnn.accel.platform import chooser, default_platform
from jaxcnn.models import create_model
from jaxcnn.table import markdown_table, measured_on
from jaxcnn.train.parts.losses import make_loss
from jaxcnn.train.state import create_state
from jaxcnn.train.step import make_train_step

FREEZE = {"nothing": "", "half": "stem|stage[12]", "all but the classifier": "stem|stage"}
"""What is frozen -> the pattern of it."""
SHAPE = (32, 32, 3)


class Step(NamedTuple):
    """A compiled step."""

    take: Callable[[], float]
    """Takes a step, and returns its seconds."""
    memory: int
    """Bytes of state, batch and what the step keeps meanwhile, by XLA's count."""
    flop: float
    """Floating-point operations, by XLA's count."""


def step_of(name: str, freeze: str, batch_size: int) -> Step:
    """Returns the training step of a net, in the forms of the default device, with a part frozen."""
    model = create_model(name, num_classes=10, stem="small")
    tx, platform = optax.sgd(0.01, momentum=0.9), default_platform()
    state = jax.jit(lambda key: create_state(model, tx, SHAPE, key, ema=False, freeze=freeze))(jax.random.key(0))
    train_step = make_train_step(
        apply_fn=accelerate(model.apply, platform),
        tx=tx,
        loss_fn=make_loss("softmax"),
        on_nonfinite="stop",
        choose=chooser(platform),
        freeze=freeze,
    )
    rng = np.random.default_rng(0)
    image = rng.normal(size=(batch_size, *SHAPE)).astype(np.float32)
    batch = jax.device_put({"image": image, "label": rng.integers(0, 10, batch_size)})
    key = jax.random.key(1)
    compiled: Any = jax.jit(train_step, donate_argnums=0).lower(state, batch, key).compile()
    size, cost = compiled.memory_analysis(), compiled.cost_analysis()
    new = size.output_size_in_bytes - size.alias_size_in_bytes  # the state is donated
    memory = size.temp_size_in_bytes + size.argument_size_in_bytes + new

    def take() -> float:
        nonlocal state
        began = time.perf_counter()
        state, _ = jax.block_until_ready(compiled(state, batch, key))
        return time.perf_counter() - began

    take()
    return Step(take, memory, float(cost["flops"]))


def measure(name: str, batch_size: int, rounds: int) -> dict[str, Any]:
    """Returns the figures of a net's steps, by what is frozen. Steps take turns, so that other work slows all alike."""
    steps = {what: step_of(name, freeze, batch_size) for what, freeze in FREEZE.items()}
    seconds: dict[str, list[float]] = {what: [] for what in steps}
    for _ in range(rounds):
        for what, step in steps.items():
            seconds[what].append(step.take())
    return {
        what: {"seconds": seconds[what], "memory": step.memory, "flop": step.flop, "freeze": FREEZE[what]}
        for what, step in steps.items()
    }


def rows(name: str, found: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """Returns a row of the table for each of a net's steps; shares are of those of the step that trains everything."""
    whole = found["nothing"]
    table = []
    for what, step in found.items():
        ratios = sorted(own / other for own, other in zip(step["seconds"], whole["seconds"], strict=True))
        share = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})"
        milliseconds = f"{statistics.median(step['seconds']) * 1e3:,.0f}"
        memory = f"{step['memory'] / 2**20:,.0f}", f"{step['memory'] / whole['memory']:.2f}"
        pattern = f"{what}: `{step['freeze'].replace('|', chr(92) + '|')}`" if step["freeze"] else what
        table.append([f"`{name}`", pattern, milliseconds, share, *memory, f"{step['flop'] / whole['flop']:.2f}"])
    return table


def main() -> None:
    """Measures, prints a table, and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["resnet18", "resnet20"])
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = {name: measure(name, arguments.batch_size, arguments.rounds) for name in arguments.models}
    header = ("net", "frozen", "ms a step", "share of the time", "MiB", "share of memory", "share of operations")
    print(markdown_table(header, [row for name in found for row in rows(name, found[name])]))
    machine = runtime.machine()
    print(measured_on(machine, JAX=jax.__version__))
    if arguments.json:
        about = {"machine": machine, "jax": jax.__version__, "batch_size": arguments.batch_size}
        arguments.json.write_text(json.dumps({**about, "steps": found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Measures what splitting a step costs: the same global batch on 1, 2, 4 and 8 simulated devices of the same CPU cores.

Arithmetic and machine are the same. So any time beyond that of one device is the cost of splitting: more programs, and
the sums between the parts. Run `python benchmarks/scaling/devices.py`; it writes devices.json.
"""

import os

from jaxcnn import xla_flags

os.environ["XLA_FLAGS"] = " ".join(
    [xla_flags.spelt_out(os.environ.get("XLA_FLAGS", "")), *xla_flags.known("--xla_force_host_platform_device_count=8")]
)
os.environ["JAX_PLATFORMS"] = "cpu"

import itertools
import platform
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

from jaxcnn.command_line import read_config
from jaxcnn.commands.stopwatch import in_turns
from jaxcnn.json_file import write_json
from jaxcnn.train.devices.mesh import in_turn, replicated
from jaxcnn.train.parts import metrics
from jaxcnn.train.setup import make_run
from jaxcnn.train.training import make_run_dispatch

HERE = Path(__file__).parent
DEVICES = (1, 2, 4, 8)
SETTINGS = {  # name -> how the step is split, and the norm
    "jit, no norm": ("jit", "none"),
    "jit, batch norm": ("jit", "batch"),
    "pmap, no norm": ("pmap", "none"),
    "pmap, batch norm": ("pmap", "batch"),
}
BATCH = 128
SECONDS = 3.0
"""For each of them."""


def training(mode: str, norm: str, devices: int) -> Callable[[], int]:
    """Returns a function that takes a step of LeNet-5 on the digits."""
    changes = [f"--config.parallel={mode}", f"--config.model.norm={norm}", f"--config.batch_size={BATCH}"]
    config = read_config(["", f"--config={HERE.parents[1]}/configs/digits_lenet5.py", *changes])
    run = make_run(config, devices=jax.devices()[:devices])
    step, randomness = make_run_dispatch(run), jax.device_put(run.randomness, replicated(run.mesh))
    carry = run.init_state(), jax.device_put(metrics.zeros(), replicated(run.mesh))

    def train() -> int:
        nonlocal carry
        carry = in_turn(run.mesh, step(*carry, run.pipeline.feed(0), randomness, num_steps=1))
        jax.block_until_ready(carry)
        return BATCH

    return train


def main() -> None:
    """Measures all of them in turns, and writes milliseconds per step: median and quartiles of the rounds."""
    cases = {(name, count): training(*SETTINGS[name], count) for name, count in itertools.product(SETTINGS, DEVICES)}
    taken = in_turns(cases, seconds=SECONDS)
    found: dict[str, dict[str, list[float]]] = {name: {} for name in SETTINGS}
    for (name, count), seconds in taken.items():
        found[name][str(count)] = (1e3 * BATCH * np.quantile(seconds, [0.25, 0.5, 0.75])).round(3).tolist()
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "jax": jax.__version__}
    write_json(
        HERE / "devices.json",
        machine | {"batch_size": BATCH, "rounds": min(map(len, taken.values())), "milliseconds": found},
    )


if __name__ == "__main__":
    main()

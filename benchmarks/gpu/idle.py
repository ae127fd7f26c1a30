"""Measures how long the device waits for the host in CIFAR-size training: `python benchmarks/gpu/idle.py [MODEL...]`.

The trainer's own dispatches (images on the device; gather, augmentation and whitening inside the step) are recorded by
JAX's profiler. The device is busy if any of its streams is; otherwise it is idle, from its first event to its last.
Prints one line of JSON for each model. The images are random, since their values do not affect the time.
"""

import argparse
import itertools
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path

import jax
import numpy as np
from jax.profiler import ProfileData

from jaxcnn.config import base_config
from jaxcnn.train.devices.mesh import in_turn, on_every_device
from jaxcnn.train.parts import metrics
from jaxcnn.train.run import Run
from jaxcnn.train.setup import make_run
from jaxcnn.train.training import make_run_dispatch

Interval = tuple[float, float]
WARM, DISPATCHES = 3, 30


def main() -> None:
    """Measures each model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=["resnet18", "resnet20", "vgg10_cifar", "wide_resnet28_10"])
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--precision", default="bfloat16")
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--steps-per-dispatch", type=int, help="default: the trainer's")
    parser.add_argument("--dispatches", type=int, default=DISPATCHES)
    arguments = parser.parse_args()
    for model in arguments.models:
        run = _run(model, arguments)
        with tempfile.TemporaryDirectory() as folder:
            _record(run, folder, arguments.dispatches)
            spans = device_spans(Path(folder))
        print(json.dumps({"model": model, "batch_size": arguments.batch_size, **idle(spans)}), flush=True)


def _run(model: str, arguments: argparse.Namespace) -> Run:
    config = base_config()
    config.model.name, config.precision, config.batch_size = model, arguments.precision, arguments.batch_size
    if model == "resnet18":
        config.model.stem = "small"
    config.data.validation, config.data.augment = 0.1, "pad_and_crop(4), flip()"
    config.total_steps = 10**6
    if arguments.steps_per_dispatch:
        config.steps_per_dispatch = arguments.steps_per_dispatch
    random = np.random.default_rng(0)
    images = random.integers(256, size=(arguments.images, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(arguments.images) % 10
    return make_run(config, data={"train": (images, labels), "test": (images[:1000], labels[:1000])})


def _record(run: Run, folder: str, dispatches: int) -> None:
    """Records this number of dispatches with JAX's profiler, in `folder`."""
    dispatch, feed, state = make_run_dispatch(run), run.pipeline.feed(0), run.init_state()
    sums = on_every_device(run.mesh, metrics.zeros(1))

    def take(count: int) -> None:
        nonlocal state, sums
        for _ in range(count):
            carry = dispatch(state, sums, feed, run.randomness, num_steps=run.steps_per_dispatch)
            state, sums = in_turn(run.mesh, carry)
        jax.block_until_ready(state)

    take(WARM)
    with jax.profiler.trace(folder):
        take(dispatches)


def device_spans(folder: Path) -> list[Interval]:
    """Returns when accelerators did something, in ns, from what the profiler wrote; on a CPU, when its kernels ran."""
    (file,) = folder.rglob("*.xplane.pb")
    planes = list(ProfileData.from_file(str(file)).planes)
    devices = [plane for plane in planes if plane.name.startswith("/device:") and "CUSTOM" not in plane.name]
    if devices:
        lines = [line for line in devices[0].lines if line.name.startswith("Stream")] or list(devices[0].lines)
    else:
        lines = [line for plane in planes for line in plane.lines if line.name.startswith("tf_XLA")]
    return [(event.start_ns, event.end_ns) for line in lines for event in line.events]


def idle(spans: Iterable[Interval]) -> dict[str, float]:
    """Returns the share of the time from first to last in which no span lies, and that time in seconds."""
    ordered = sorted(spans)
    ends = list(itertools.accumulate((end for _, end in ordered), max))
    gaps = sum(max(0.0, start - end) for (start, _), end in zip(ordered[1:], ends, strict=False))
    whole = ends[-1] - ordered[0][0]
    return {"idle": gaps / whole, "seconds": whole / 1e9}


if __name__ == "__main__":
    main()

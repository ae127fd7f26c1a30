"""Measures the CPU time of each part of a stream and of a step on the device, alone, on one core."""

import itertools
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from contenders import AUGMENT, BATCH, configure, one_core, small_pipeline, stream_run

Work = Callable[[], int]
"""Does a piece of work, and returns the number of images."""


def measure_parts(folder: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Returns microseconds an image, by pipeline and part: medians of `rounds` turns."""
    one_core()
    configure()
    stream, device = stream_parts(folder), {size: device_stages(size) for size in (128, 1024)}
    taken: dict[tuple[str, str], list[float]] = {}
    for _ in range(rounds + 1):
        for name, work in stream.items():
            taken.setdefault(("stream", name), []).append(microseconds(work, 8))
        for size, stages in device.items():
            for name, work in stages.items():
                taken.setdefault((f"device, batches of {size}", name), []).append(microseconds(work, 32_000 // size))
    found: dict[str, dict[str, float]] = {}
    for (whole, name), turns in taken.items():
        found.setdefault(whole, {})[name] = float(np.median(turns[1:]))  # the first starts threads
    return {whole: parts if whole == "stream" else differences(parts) for whole, parts in found.items()}


def microseconds(work: Work, times: int) -> float:
    """Returns the CPU microseconds an image, when `work` is done so many times."""
    began = time.process_time()
    images = sum(work() for _ in range(times))
    return (time.process_time() - began) / images * 1e6


def differences(stages: dict[str, float]) -> dict[str, float]:
    """Returns the time that each stage adds to the stage before."""
    before = [0.0, *stages.values()]
    return {name: taken - earlier for (name, taken), earlier in zip(stages.items(), before, strict=False)}


def stream_parts(folder: Path) -> dict[str, Work]:
    """Returns the parts of a stream's work for one batch."""
    import cv2
    import jax

    from jaxcnn.data.feed.batches import CropDraws, aligned
    from jaxcnn.data.feed.feistel import HostOrder
    from jaxcnn.data.feed.order import round_keys
    from jaxcnn.data.read.crops import RandomResizedCrop
    from jaxcnn.data.read.decode import decode_fast
    from jaxcnn.train.devices.mesh import from_processes

    cv2.setNumThreads(0)
    run = stream_run(folder, "simplejpeg", 0)
    source, crop = run.dataset.sources["train"], RandomResizedCrop(224, 3)
    size, steps = len(source.labels), itertools.count()
    order = HostOrder(np.asarray(round_keys(0, np.arange(2000, dtype=np.uint32))), size)
    files = itertools.cycle([source[number] for number in range(size)])
    draws, numbers = CropDraws(0), itertools.count()
    image = decode_fast(source[0], 3, lambda *_: 1)[0]
    out = np.empty((224, 224, 3), np.uint8)

    def batch_of(one: Callable[[], object]) -> Work:
        return lambda: sum(one() is not None for _ in range(BATCH))

    def order_batch() -> int:
        first = next(steps) % 10_000 * BATCH
        return len(order.example_at(np.arange(first, first + BATCH, dtype=np.uint32))[2])

    def transfer() -> int:
        batch = aligned((BATCH, 224, 224, 3), np.uint8)
        return len(jax.block_until_ready(from_processes(run.mesh, batch)))

    def cut() -> np.ndarray:
        crop(image, draws(0, next(numbers)), out)
        return out

    return {
        "order": order_batch,
        "read": batch_of(lambda: source[next(numbers) % size]),
        "decode": batch_of(lambda: decode_fast(next(files), 3, lambda *_: 1)),
        "cut and resize": batch_of(cut),
        "allocate and transfer": transfer,
    }


def device_stages(size: int) -> dict[str, Work]:
    """Returns compiled functions. Each does the work of the function before it, and one stage more."""
    import jax
    import jax.numpy as jnp

    from jaxcnn.accel.batches import accelerate_batches

    plain, shifted, both = (small_pipeline(augment, size) for augment in ("", "shift(2)", AUGMENT))
    feed = plain.feed(0)
    stages = {
        "call": lambda *_: (),
        "order": lambda _, step: plain.recipe.draw(step)[1],
        "gather and whiten": accelerate_batches(plain.train_batch),
        "keys and shift": accelerate_batches(shifted.train_batch),
        "flip": accelerate_batches(both.train_batch),
    }

    def caller(function: Callable[..., object]) -> Work:
        compiled = jax.jit(lambda feed, step: (function(feed, step), step + 1))
        step = jnp.int32(0)

        def work() -> int:
            nonlocal step
            _, step = jax.block_until_ready(compiled(feed, step))
            return size

        return work

    return {name: caller(function) for name, function in stages.items()}

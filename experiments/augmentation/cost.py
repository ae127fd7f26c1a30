"""Measures the time of each augmentation inside a compiled function: `python experiments/augmentation/cost.py`.

All are compiled first and then run in turn, round after round, so that a busy machine slows all of them alike. The
figures go to cost.csv beside this file.
"""

import csv
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.augment import Draw, parse_augment

ROUNDS = 30
SIZES = ((128, 32), (16, 224))
CONTEXT = {"num_classes": 10, "mean": (0.5, 0.5, 0.5)}
AUGMENTATIONS = (
    "",
    "shift(4)",
    "shift(4, 'reflect')",
    "flip",
    "alternating_flip",
    "random_resized_crop",
    "color_jitter(0.4, 0.4, 0.4)",
    "color_jitter(0.4, 0.4, 0.4, 0.1)",
    "pca_color",
    "cutout(16)",
    "random_erasing",
    "rand_augment(1)",
    "rand_augment(2)",
    "trivial_augment",
    "mixup",
    "cutmix",
    "mixup_cutmix",
    "random_resized_crop, flip, color_jitter(0.4, 0.4, 0.4), pca_color",
    "random_resized_crop, flip, rand_augment(2), random_erasing, mixup_cutmix",
)


def compiled(text: str, batch: int, size: int) -> tuple[Callable[[], None], float]:
    """Returns a function that augments one batch and waits for it, and the seconds that compiling took."""
    images = jnp.asarray(np.random.RandomState(0).randint(0, 256, (batch, size, size, 3)), jnp.float32)
    arguments = Draw.of(jax.random.key(0), batch), images, jnp.zeros(batch, jnp.int32)
    start = time.perf_counter()
    augment = jax.jit(parse_augment(text, **CONTEXT)).lower(*arguments).compile()
    return lambda: jax.block_until_ready(augment(*arguments)), time.perf_counter() - start


def measure(batch: int, size: int) -> dict[str, tuple[float, float, float]]:
    """Returns, for each augmentation, the median and least microseconds an image, and the seconds of compiling."""
    calls = {text: compiled(text, batch, size) for text in AUGMENTATIONS}
    spent: dict[str, list[float]] = {text: [] for text in AUGMENTATIONS}
    for _ in range(ROUNDS + 1):
        for text, (call, _) in calls.items():
            start = time.perf_counter()
            call()
            spent[text].append(1e6 * (time.perf_counter() - start) / batch)
    return {text: (np.median(times[1:]), min(times[1:]), calls[text][1]) for text, times in spent.items()}


if __name__ == "__main__":
    results = [measure(*sizes) for sizes in SIZES]
    of_sizes = [f"{size}: {what}" for _, size in SIZES for what in ("median", "least", "compile s")]
    with (Path(__file__).parent / "cost.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["microseconds an image", *of_sizes])
        for text in AUGMENTATIONS:
            numbers = [f"{number:.1f}" for result in results for number in result[text]]
            writer.writerow([text or "nothing (a copy)", *numbers])

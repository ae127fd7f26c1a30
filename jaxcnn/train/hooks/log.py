"""Hooks that log training metrics, and warn of jumps of the loss."""

import collections
import math
import statistics
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from jaxcnn.train.hooks.periodic import Periodic
from jaxcnn.train.training import Training


class Log(Periodic):
    """Logs the training metrics since the last log, every `every` steps and at the last step."""

    def reached(self, step: int) -> None:
        """Logs if it is due."""
        if not self._is_due(step):
            return
        run = self._training.run
        span = self._training.take_span()
        values = span.values(run.seeds)
        if run.learning_rate is not None:
            values["train/learning_rate"] = float(jax.jit(run.learning_rate)(step - 1))
        skipped = int(np.sum(jax.device_get(span.sums["nonfinite"])))
        self._training.log(values | ({"train/nonfinite": skipped} if skipped else {}))
        if skipped:
            self._training.say(f"warning: up to step {step}, {skipped} steps were not finite and are left out")


class Spikes:
    """Warns of a training loss that is three times the median of the last ten logged ones, and half a nat above it."""

    def __init__(self) -> None:
        self._losses: collections.deque[float] = collections.deque(maxlen=10)

    def start(self, training: Training) -> None:
        """Begins."""
        self._training = training

    def log(self, step: int, values: Mapping[str, Any]) -> None:
        """Compares the loss with the losses before it."""
        loss = values.get("train/loss", math.nan)
        if len(self._losses) == self._losses.maxlen and loss > max(
            3 * (usual := statistics.median(self._losses)), usual + 0.5
        ):
            self._training.say(f"warning: at step {step} the training loss is {loss:.4f}, after {usual:.4f}")
        if math.isfinite(loss):
            self._losses.append(loss)

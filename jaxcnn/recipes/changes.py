"""Parts of a recipe: changes of settings, by full key. `a | b` puts two parts together."""

from collections.abc import Sequence
from typing import Any, TypeAlias

Changes: TypeAlias = dict[str, Any]
"""Full key of a setting -> its value."""


def sgd(rate: float, decay: float = 0.0, *, momentum: float = 0.9, nesterov: bool = False) -> Changes:
    """Returns stochastic gradient descent with momentum; `rate` is the learning rate, `decay` that of the weights."""
    return {
        "optimizer.name": "sgd",
        "optimizer.learning_rate": rate,
        "optimizer.momentum": momentum,
        "optimizer.nesterov": nesterov,
        "optimizer.weight_decay": decay,
    }


def rmsprop(rate: float, decay: float = 0.0, *, epsilon: float = 1.0) -> Changes:
    """Returns RMSProp as in the Inception papers: 0.9 for the squares and for the momentum."""
    return {
        "optimizer.name": "rmsprop",
        "optimizer.learning_rate": rate,
        "optimizer.decay": 0.9,
        "optimizer.momentum": 0.9,
        "optimizer.epsilon": epsilon,
        "optimizer.weight_decay": decay,
    }


def adamw(rate: float, decay: float) -> Changes:
    """Returns Adam with decoupled weight decay."""
    return {"optimizer.name": "adamw", "optimizer.learning_rate": rate, "optimizer.weight_decay": decay}


def lasting(batch_size: int, epochs: float) -> Changes:
    """Returns the size of a batch and the length of a run."""
    return {"batch_size": batch_size, "total_epochs": round(epochs, 4)}


def drops(epochs: Sequence[float], factor: float = 0.1) -> Changes:
    """Returns a schedule that multiplies the learning rate by `factor` at each of these epochs."""
    times = f"{', '.join(f'{epoch:.7g}' for epoch in epochs)} epochs"
    return {"schedule.name": "multistep", "schedule.boundaries": times, "schedule.factor": factor}


def steps(every: float, factor: float) -> Changes:
    """Returns a schedule that multiplies the learning rate by `factor` once in so many epochs."""
    return {"schedule.name": "step", "schedule.every": _epochs(every), "schedule.factor": factor}


def falling(name: str, warmup: float = 0.0) -> Changes:
    """Returns a schedule `cosine` or `linear`, which falls to 0, after so many epochs in which the rate rises."""
    return {"schedule.name": name, "schedule.warmup": _epochs(warmup)}


def augmented(text: str) -> Changes:
    """Returns augmentations of the training images."""
    return {"data.augment": text}


def _epochs(number: float) -> str:
    return f"{number:.7g} epoch" + ("" if number == 1 else "s")

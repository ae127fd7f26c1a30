"""What each word for a norm would make of the same values."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxcnn.errors import UserError, check_word
from jaxcnn.layers.norm import GroupNorm, Normed
from jaxcnn.layers.norm_choice import NORMS
from jaxcnn.ops.norm import moments, normalize
from jaxcnn.table import counted
from jaxcnn.types import Array

WORDS = tuple(word for word, norm in NORMS.items() if issubclass(norm, Normed))
"""Words of the norms that take means."""
AXES = {
    "batch": "examples, height and width",
    "layer": "channels, height and width",
    "channel_layer": "channels",
    "instance": "height and width",
    "group": "height, width and the channels of a group",
}
"""What each takes its means over."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Word:
    """What a norm would make of some values, before its scale and bias."""

    norm: str
    over: str
    """The axes of its means."""
    means: int
    """Number of its means, each with a variance."""
    values: int
    """Number of values that each is taken over."""
    mean: tuple[float, float, float]
    """Least, median and largest of the means."""
    variance: tuple[float, float, float]
    """Likewise, biased."""
    groups: int
    """Of channels, in group norm; 1 in others."""
    channels: float
    """Behind it, how far the means of channels over the batch are apart: their standard deviation."""
    examples: float
    """Behind it, how far the means of examples are apart."""


def check_words(words: Sequence[str]) -> None:
    """Raises `UserError` for a word that is no norm, or one that takes no means."""
    for word in words:
        check_word("norm", word, NORMS)
        if word not in WORDS:
            raise UserError(f"norm {word!r} takes no means: there are {', '.join(WORDS)}")


def by_words(x: np.ndarray, words: Sequence[str]) -> list[Word]:
    """Returns what each of `words` would make of x, (batch, height, width, channels) or (batch, channels).

    Without height and width there is no instance norm.
    """
    return [_word(jnp.asarray(x), word) for word in words if x.ndim > 2 or word != "instance"]


def _word(x: Array, word: str) -> Word:
    norm: Any = NORMS[word]()
    grouped = x.reshape(*x.shape[:-1], *norm.groups_of(x.shape[-1])) if isinstance(norm, GroupNorm) else x
    mean, variance = moments(grouped, norm.axes(grouped.ndim))
    one, none = jnp.ones(()), jnp.zeros(())
    y = np.asarray(normalize(grouped, mean, variance, one, none, norm.epsilon).reshape(x.shape))
    groups = f" ({counted(grouped.shape[-2], 'group')} of {grouped.shape[-1]})" if isinstance(norm, GroupNorm) else ""
    return Word(
        norm=word,
        over=AXES[word] + groups,
        means=mean.size,
        values=x.size // mean.size,
        mean=_spread(mean),
        variance=_spread(variance),
        groups=grouped.shape[-2] if isinstance(norm, GroupNorm) else 1,
        channels=float(y.mean(axis=tuple(range(x.ndim - 1))).std()),
        examples=float(y.mean(axis=tuple(range(1, x.ndim))).std()),
    )


def _spread(values: Array) -> tuple[float, float, float]:
    low, middle, high = np.quantile(np.asarray(values), (0, 0.5, 1)).tolist()
    return low, middle, high

"""The figures of `norms`."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from jaxcnn.dynamics.depth import Values
from jaxcnn.dynamics.words import Word
from jaxcnn.evaluation.layers import Layer
from jaxcnn.evaluation.statistics import Accuracy
from jaxcnn.json_file import finite


@dataclasses.dataclass(frozen=True, kw_only=True)
class LayerFigures:
    """A layer, or a norm."""

    layer: Layer
    train: Values | None
    """In training mode; None if its input or output is no array."""
    eval: Values | None
    ratio: tuple[float, float, float] | None
    """Running variances over those of training images: first quartile, median and third over the channels."""
    offset: float | None
    """Median distance of running means from those of training images, in deviations."""
    gradient: float | None
    """Norm of the gradient of the first training batch, as it was augmented."""
    weight: float | None
    """Norm of the weights."""
    effective_rate: float | None
    """The peak learning rate, times the gradient's norm over the weights' (van Laarhoven, arXiv:1706.05350)."""
    update: float | None
    """Norm of the update over that of the weights, at the peak learning rate."""
    frozen: bool
    """Whether it has parameters, none of which are trained."""


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Norms:
    """What the norms of a net do."""

    run: str
    step: int | None
    seed: int | None
    """Of the net, where there are several."""
    layers: Sequence[LayerFigures]
    """In the order of computation."""
    accuracies: Sequence[Accuracy]
    """Of the validation split; empty for a net without batch norm."""
    words: Sequence[Word]
    layer: str
    """Path of the norm whose input the words are of."""
    shape: tuple[int, ...]
    """Of that input."""
    images: int
    """Training images whose values were looked at."""
    batch: int
    """How many of them share statistics in training mode."""
    estimated: int
    """Training images that new statistics are of; 0 for none."""
    difference: float
    """The largest difference of a logit between the modes."""
    rate: float | None
    """The peak learning rate."""
    remark: str
    """Why there are no gradients; "" where there are."""

    @property
    def running(self) -> list[LayerFigures]:
        """The layers that keep running statistics."""
        return [each for each in self.layers if each.layer.running]

    @property
    def variance(self) -> str:
        """Which variance is which, in words."""
        if not self.running:
            return ""
        unbiased = {each.layer.unbiased for each in self.running}
        kept = "unbiased (n - 1)" if unbiased == {True} else "biased (n)" if unbiased == {False} else "of both kinds"
        return f"batches are normalised by the biased variance (n); running and new variances are {kept}"

    def as_dict(self) -> dict[str, Any]:
        """Returns all figures, ready for JSON."""
        whole = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        plain = {
            "layers": [_plain(each) for each in self.layers],
            "accuracies": [dataclasses.asdict(each) for each in self.accuracies],
            "words": [dataclasses.asdict(each) for each in self.words],
            "variance": self.variance,
        }
        return finite(whole | plain)


def _plain(figures: LayerFigures) -> dict[str, Any]:
    """Returns a layer as JSON has it, without the layer's own fields in another object."""
    whole = dataclasses.asdict(figures)
    return {**whole.pop("layer"), **whole}

"""The figures of `norms` in words: sentences, and the rows of its tables."""

import math
from collections.abc import Iterator, Sequence

from jaxcnn.dynamics.depth import Values
from jaxcnn.dynamics.figures import LayerFigures, Norms
from jaxcnn.evaluation.statistics import Accuracy
from jaxcnn.evaluation.words import share

LAYERS = ("layer", "kind", "training", "evaluation", "running / batch", "dead in", "gradient", "rate x g/w")
ACCURACIES = ("statistics", "accuracy", "images")
WORDS = ("norm", "means", "values each", "variance: least, median, most", "channels", "examples")


def sentences(found: Norms) -> Iterator[str]:
    """Yields what was looked at, and what holds of a net without batch norm."""
    where = "imported weights" if found.step is None else f"step {found.step:,}"
    seed = "" if found.seed is None else f", seed {found.seed}"
    yield f"{found.run}, {where}{seed}"
    yield (
        f"{found.images:,} training images that are not augmented, of which {found.batch} share statistics in training "
        "mode; dropout is off"
    )
    if found.running:
        yield found.variance
    elif any(each.layer.norm for each in found.layers):
        yield "no norm of this net keeps running statistics: training and evaluation mode compute the same"
    else:
        yield "this net has no norm: training and evaluation mode compute the same"
    yield f"between the modes, a logit differs by {found.difference:.3g} at most"
    if found.remark:
        yield found.remark
    if not found.words:
        yield _without_words(found)


def _without_words(found: Norms) -> str:
    """Returns why other norms are tried on nothing."""
    if not found.layer:
        return "the net has one layer only: there is nothing that other norms could be tried on"
    return f"what goes into {found.layer} is not known: it is no single array, so other norms are not tried on it"


def accuracy_rows(found: Norms) -> list[tuple[str, ...]]:
    """Returns rows under `ACCURACIES`."""
    return [(_named(each, found), share(each.accuracy), f"{each.examples:,}") for each in found.accuracies]


def _named(accuracy: Accuracy, found: Norms) -> str:
    if accuracy.statistics == "running":
        return "running, as in evaluation"
    if accuracy.statistics == "new":
        return f"new, of {found.estimated:,} training images"
    return f"of each batch of {accuracy.batch}{'' if accuracy.examples else ': there are too few images'}"


def layer_rows(found: Norms) -> list[tuple[str, ...]]:
    """Returns rows under `LAYERS`: mean and standard deviation behind each layer, and what else is known."""
    return [
        (
            each.layer.path or "the net",
            f"{each.layer.kind} norm" if each.layer.norm else each.layer.kind,
            _values(each.train),
            _values(each.eval),
            "" if each.ratio is None else f"{each.ratio[1]:.2f}",
            _dead(each),
            "frozen" if each.frozen else _small(each.gradient),
            _small(each.effective_rate),
        )
        for each in found.layers
    ]


def _values(values: Values | None) -> str:
    return "" if values is None else f"{values.mean:.2f} ± {math.sqrt(max(values.variance, 0.0)):.2f}"


def _dead(figures: LayerFigures) -> str:
    return "" if figures.layer.norm or figures.eval is None else f"{figures.eval.dead:.1%}"


def _small(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.1e}"


def word_rows(found: Norms) -> list[tuple[str, ...]]:
    """Returns rows under `WORDS`."""
    return [
        (
            each.norm,
            f"{each.means:,}",
            f"{each.values:,}",
            ", ".join(f"{value:.3g}" for value in each.variance),
            f"{each.channels:.3f}",
            f"{each.examples:.3f}",
        )
        for each in found.words
    ]


def shape_of(shape: Sequence[int]) -> str:
    """Returns a shape in words: "64 examples of 32x32x16"."""
    return f"{shape[0]} examples of {'x'.join(map(str, shape[1:]))}"

"""A page about what the norms of a net do."""

import math
import os
from collections.abc import Callable
from pathlib import PurePosixPath

from jaxcnn.dynamics import norms_told as told
from jaxcnn.dynamics.charts import LEGEND, ByLayer, Scale, Series, by_layer
from jaxcnn.dynamics.cubes import STYLE, cube
from jaxcnn.dynamics.depth import Values
from jaxcnn.dynamics.figures import LayerFigures, Norms
from jaxcnn.reporting.charts import COLORS
from jaxcnn.reporting.files import write_page
from jaxcnn.reporting.page import render

_BLUE, _ORANGE, _RED, _GREEN = COLORS[0], COLORS[1], COLORS[2], COLORS[4]


def write_norms(found: Norms, output: str | os.PathLike[str]) -> int:
    """Writes the page; returns its size in bytes.

    Raises:
        UserError: if it cannot be written.
    """
    facts = {
        "label": PurePosixPath(found.run).name or found.run,
        "sentences": [_capital(sentence) for sentence in [*told.sentences(found)][1:]],
        "run": next(told.sentences(found)),
        "accuracies": told.accuracy_rows(found),
        "charts": charts(found),
        "cubes": [(cube(each.norm, each.groups), each) for each in found.words],
        "words": told.word_rows(found),
        "heads": told.WORDS,
        "layer": found.layer,
        "shape": told.shape_of(found.shape) if found.words else "",
        "layers": told.layer_rows(found),
        "columns": told.LAYERS,
    }
    return write_page(render(facts, "norms.html", package="jaxcnn.dynamics", style=LEGEND + STYLE), output)


def _capital(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]


def charts(found: Norms) -> list[ByLayer]:
    """Returns the charts by depth; those of which nothing is known are left out."""
    norms = [each for each in found.layers if each.layer.norm and each.train and each.eval]
    weighted = [each for each in found.layers if not each.layer.norm]
    running = [each for each in norms if each.ratio is not None]
    return [
        *(_of_norms(norms) if norms else _of_layers(weighted)),
        *([_running(running)] if running else []),
        *(_rates([each for each in weighted if each.effective_rate], found) if found.rate is not None else []),
        _dead([each for each in weighted if each.eval]),
    ]


def _of_norms(norms: list[LayerFigures]) -> list[ByLayer]:
    note = (
        "Behind a norm, values should neither grow nor vanish with depth. Where the lines of training and evaluation "
    )
    note += "part, running statistics do not fit."
    return [
        _modes("variance before and behind each norm", note, norms, "variance", log=True),
        _modes("mean before and behind each norm", "Over all values of the layer.", norms, "mean", log=False),
    ]


def _of_layers(layers: list[LayerFigures]) -> list[ByLayer]:
    there = [each for each in layers if each.eval]
    note = "The net has no norm, so both modes are the same."
    return [
        _chart(f"{name} behind each layer", note, there, [(name, _of(name, "eval"), _BLUE, False)],
               Scale(unit=f"{name} of the values", log=name == "variance"))
        for name in ("variance", "mean")
    ]  # fmt: skip


def _modes(title: str, note: str, norms: list[LayerFigures], name: str, *, log: bool) -> ByLayer:
    series = [
        ("before, training", _of(f"{name}_before", "train"), _ORANGE, False),
        ("before, evaluation", _of(f"{name}_before", "eval"), _RED, True),
        ("behind, training", _of(name, "train"), _BLUE, False),
        ("behind, evaluation", _of(name, "eval"), _GREEN, True),
    ]
    return _chart(title, note, norms, series, Scale(unit=f"{name} of the values", log=log), axis="norm")


def _running(norms: list[LayerFigures]) -> ByLayer:
    series: list[tuple[str, Callable[[LayerFigures], float | None], str, bool]] = [
        ("quartiles", lambda each: each.ratio and each.ratio[2], _ORANGE, True),
        ("median over the channels", lambda each: each.ratio and each.ratio[1], _BLUE, False),
        ("quartiles", lambda each: each.ratio and each.ratio[0], _ORANGE, True),
    ]
    note = "Running variances over those of training images that are not augmented: at 1 they are the same."
    scale = Scale(unit="running variance / batch variance", log=True, marked=1.0)
    return _chart("running against batch statistics", note, norms, series, scale, axis="norm")


def _rates(layers: list[LayerFigures], found: Norms) -> list[ByLayer]:
    series: list[tuple[str, Callable[[LayerFigures], float | None], str, bool]] = [
        ("rate x gradient / weights", lambda each: each.effective_rate, _BLUE, False),
        ("update / weights", lambda each: each.update, _ORANGE, True),
    ]
    note = (
        f"Of the first training batch, at the peak learning rate {found.rate:.4g}. What stands before a norm turns by "
    )
    note += "this share of its size, however large it is. The update is the optimizer's, with momentum and decay."
    return [
        _chart("effective learning rate", note, layers, series, Scale(unit="share of the weights", log=True)),
        _chart(
            "gradient",
            "Euclidean norm of the gradient of each layer, of the first training batch.",
            layers,
            [("gradient", lambda each: each.gradient, _BLUE, False)],
            Scale(unit="norm of the gradient, nats", log=True),
        ),
    ]


def _dead(layers: list[LayerFigures]) -> ByLayer:
    note = "Channels that go into a layer and are 0 for all images that were looked at."
    scale = Scale(unit="share of the channels", share=True)
    return _chart(
        "dead channels",
        note,
        layers,
        [("dead", lambda each: None if each.eval is None else each.eval.dead, _RED, False)],
        scale,
    )


def _of(name: str, mode: str) -> Callable[[LayerFigures], float | None]:
    def value(figures: LayerFigures) -> float | None:
        values: Values | None = getattr(figures, mode)
        found = None if values is None else float(getattr(values, name))
        return found if found is not None and math.isfinite(found) else None

    return value


def _chart(
    title: str,
    note: str,
    layers: list[LayerFigures],
    series: list[tuple[str, Callable[[LayerFigures], float | None], str, bool]],
    scale: Scale,
    *,
    axis: str = "layer",
) -> ByLayer:
    drawn = [
        Series(name=name, values=[value(each) for each in layers], color=color, dashed=dashed)
        for name, value, color, dashed in series
    ]
    return by_layer(title, note, [each.layer.path or "the net" for each in layers], drawn, scale, axis=axis)

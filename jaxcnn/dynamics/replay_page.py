"""A page about a step that was taken again."""

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from jaxcnn.dynamics.charts import LEGEND, ByLayer, Scale, Series, by_layer, example_chart, loss_chart
from jaxcnn.dynamics.replayed import Replay
from jaxcnn.dynamics.told import sentences
from jaxcnn.reporting.charts import COLORS, Chart
from jaxcnn.reporting.files import write_page
from jaxcnn.reporting.page import render
from jaxcnn.reporting.pictures import thumbnail

MOST = 96
"""Examples that the page shows."""


def write_replay(found: Replay, output: str | os.PathLike[str]) -> int:
    """Writes the page; returns its size in bytes.

    Raises:
        UserError: if it cannot be written.
    """
    count = len(found.image)
    facts = {
        "label": PurePosixPath(found.run).name or found.run,
        "step": f"{found.step:,}",
        "tiles": _tiles(found),
        "sentences": [*sentences(found)],
        "charts": _charts(found),
        "layers": _layers(found),
        "shown": f"the {MOST} largest losses of {count}" if count > MOST else "the largest loss first",
        "examples": [_example(found, place) for place in found.hardest[:MOST]],
    }
    return write_page(render(facts, "replay.html", package="jaxcnn.dynamics", style=LEGEND), output)


def _tiles(found: Replay) -> list[tuple[str, str]]:
    shares = {name: value for name, value in found.metrics.items() if name != "loss"}
    tiles = [(f"{found.metrics['loss']:.4f}", f"loss, the mean of {len(found.image)} examples")]
    tiles += [
        (f"{100 * value:.2f} %" if name in ("accuracy", "top5") else f"{value:.4g}", name)
        for name, value in shares.items()
    ]
    if found.learning_rate is not None:
        tiles.append((f"{found.learning_rate:.4g}", "learning rate"))
    return [*tiles, (f"{found.again:,}", "steps taken again before it")]


def _charts(found: Replay) -> list[Chart]:
    rows = [row for row in found.rows if row.get("train/loss", "") != ""]
    charts = [
        loss_chart(
            [row["step"] for row in rows], [row["train/loss"] for row in rows], found.step, found.metrics["loss"]
        )
    ]
    if found.loss is not None:
        names = [f"{found.names(place)}, {_where(found, place)}" for place in found.hardest]
        charts.append(example_chart([float(found.loss[place]) for place in found.hardest], names))
    return charts if rows else charts[1:]


def _layers(found: Replay) -> list[ByLayer]:
    if found.sizes is None:
        return []
    layers = list(found.sizes.gradient)
    gradient = Series(name="gradient", values=[*found.sizes.gradient.values()], color=COLORS[0])
    ratio = Series(name="update / weights", values=[*found.update_ratio.values()], color=COLORS[2])
    return [
        by_layer("gradient", "Euclidean norm of the gradient of each layer", layers, [gradient],
                 Scale(unit="norm of the gradient, nats", log=True)),
        by_layer("update", "how far the step moved each layer's weights, as a share of them", layers, [ratio],
                 Scale(unit="norm of the update / of the weights", log=True)),
    ]  # fmt: skip


def _example(found: Replay, place: int) -> Mapping[str, Any]:
    loss, name, predicted = found.loss, found.names(place), found.predicted(place)
    return {
        "picture": thumbnail(found.pixels[place]),
        "class": name,
        "predicted": predicted,
        "wrong": predicted != name,
        "loss": "" if loss is None else f"{loss[place]:.4f}" if math.isfinite(loss[place]) else "not finite",
        "where": _where(found, place),
    }


def _where(found: Replay, place: int) -> str:
    """Returns the file of an example, or its place in the training split."""
    parts: Sequence[str] = [str(found.file_name[place])] if found.file_name[place] else []
    return parts[0] if parts else f"place {place}" if found.index is None else f"image {found.index[place]} of train"

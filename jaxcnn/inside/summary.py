"""The summary of a net: its layers, what each costs, and how much of the image it sees."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from jaxcnn.analysis.layer import Layer
from jaxcnn.analysis.memory import Memory, memory
from jaxcnn.analysis.trace import Shape
from jaxcnn.analysis.walk import Walk, walk
from jaxcnn.errors import UserError, check_word
from jaxcnn.inside.columns import DEFAULT, Totals, cells, chosen
from jaxcnn.inside.groups import at_depth, grouped, stage
from jaxcnn.inside.opened import open_net, told_errors
from jaxcnn.parts import Part
from jaxcnn.ranges import at_least, check_whole
from jaxcnn.table import rows_text

BY = ("layer", "stage")


@dataclasses.dataclass(frozen=True)
class Summary:
    """What `summary` returns. `print(summary)` shows the table."""

    name: str
    image_shape: Shape
    """(height, width, channels)."""
    layers: tuple[Layer, ...]
    """Rows, the image first; put together where a depth or stages were asked for."""
    walk: Walk
    """All layers, and all modules by path."""
    memory: Memory
    """For a batch of the size that was asked for."""

    @property
    def totals(self) -> Totals:
        """The sums of the rows."""
        return Totals(self.walk.params, self.walk.multiply_adds, self.walk.activations)

    def as_dict(self) -> dict[str, Any]:
        """Returns all of it for JSON."""
        return {
            "model": self.name,
            "image_shape": list(self.image_shape),
            "layers": [layer.as_dict() for layer in self.layers],
            "total": {
                **self.totals._asdict(),
                "param_bytes": self.walk.param_bytes,
                "statistics_bytes": self.walk.statistics_bytes,
            },
            "memory": self.memory._asdict(),
        }

    def rows(self, columns: Sequence[str] = DEFAULT) -> list[list[str]]:
        """Returns the cells of the table, the totals last."""
        return cells(chosen(columns), self.layers, self.totals)

    def notes(self) -> list[str]:
        """Returns what stands below the table."""
        needed = self.memory
        training = "" if needed.training is None else f", {_mb(needed.training)} for a training step"
        lines = [
            "1 multiply-add = 2 FLOP; convolutions and matrix products are counted, as in papers",
            f"memory at batch {needed.batch_size}: {_mb(needed.inference)} for inference{training}; estimated from the "
            "trace, the step with momentum",
        ]
        fields = {layer.receptive.size for layer in self.layers}
        if "global" in fields:
            lines.append("field global: every pixel counts, behind a mean or a dense layer over the whole map")
        if "unknown" in fields:
            lines.append("field unknown: an operation before is not understood")
        return lines

    def __str__(self) -> str:
        """Returns the table, at the width of the terminal."""
        columns = chosen(DEFAULT)
        header, numbers = [column.header for column in columns], [column.number for column in columns]
        return "\n".join((rows_text(header, self.rows(), right=numbers, paths=True), *self.notes()))


def summary(
    model: Part | Any,
    *,
    norm: Part | None = None,
    act: Part | None = None,
    stem: str | None = None,
    num_classes: int | None = None,
    image_size: int | None = None,
    channels: int | None = None,
    batch_size: int = 1,
    depth: int | None = None,
    by: str = "layer",
    fields: Mapping[str, Any] | None = None,
) -> Summary:
    """Returns the layers of a net, in evaluation, on one image. No weights are made, and nothing is computed.

    Args:
        model: a name of `list_models()`, a run folder, a path `package.module:Net`, or a linen module.
        norm: as of `create_model`; for models only, as the next three.
        act: as of `create_model`.
        stem: as of `create_model`.
        num_classes: width of the logits; None: the paper's.
        image_size: of square images, in pixels; None: that which it is made for.
        channels: of the images.
        batch_size: images for which memory is estimated.
        depth: a row for each module at this depth, with all that is in it; None: a row for each layer.
        by: "layer", or "stage" for a row for each stage.
        fields: further fields of the model, as `{"stride_on_first": True}`.

    Raises:
        UserError: for an unknown model, or a setting that does not fit it.
    """
    check_word("by", by, BY)
    check_whole("batch_size", batch_size, at_least(1))
    if depth is not None:
        check_whole("depth", depth, at_least(1))
        if by == "stage":
            raise UserError("depth and by='stage' both say what a row is: give one of them")
    further = {"norm": norm, "act": act, "stem": stem, **(fields or {})}
    net = open_net(model, image_size=image_size, channels=channels, num_classes=num_classes, fields=further)
    with told_errors(net):
        found = walk(net.model, net.image_shape)
        needed = memory(net.model, net.image_shape, batch_size)
    name = stage if by == "stage" else None if depth is None else at_depth(depth)
    layers = found.layers if name is None else grouped(found, name)
    return Summary(net.name, net.image_shape, layers, found, needed)


def _mb(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count < 1e9 else f"{count / 1e9:,.2f} GB"

"""The summary of a net: its layers, what each costs, and how much of the image it sees."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Unpack

from jaxcnn.analysis.layer import Layer
from jaxcnn.analysis.memory import Memory, memory
from jaxcnn.analysis.trace import Shape
from jaxcnn.analysis.walk import Walk, walk
from jaxcnn.errors import UserError, check_word
from jaxcnn.inside.columns import DEFAULT, Totals, cells, chosen
from jaxcnn.inside.compiled import CompiledMemory, compiled_memory
from jaxcnn.inside.groups import at_depth, grouped, stage
from jaxcnn.inside.opened import NetOptions, open_net, told_errors
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
    compiled: CompiledMemory | None = None
    """The same as XLA has it, if it was asked for."""

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
            **({} if self.compiled is None else {"compiled": self.compiled._asdict()}),
        }

    def rows(self, columns: Sequence[str] = DEFAULT) -> list[list[str]]:
        """Returns the cells of the table, the totals last."""
        return cells(chosen(columns), self.layers, self.totals)

    def notes(self) -> list[str]:
        """Returns what stands below the table."""
        needed = self.memory
        lines = [
            "1 multiply-add = 2 FLOP; convolutions and matrix products are counted, as in papers",
            f"memory at batch {needed.batch_size}: {_told(needed)}; estimated from the trace, the step with momentum",
        ]
        if found := self.compiled:
            lines.append(
                f"as compiled for {found.platform}: {_told(found)}; by XLA's memory analysis, compiled in "
                f"{found.seconds:.0f} s"
            )
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
    batch_size: int = 1,
    depth: int | None = None,
    by: str = "layer",
    compiled: bool = False,
    **net: Unpack[NetOptions],
) -> Summary:
    """Returns the layers of a net, in evaluation, on one image. No weights are made, and nothing is computed.

    Args:
        model: a name of `list_models()`, a run folder, a path `package.module:Net`, or a linen module.
        batch_size: images for which memory is estimated.
        depth: a row for each module at this depth, with all that is in it; None: a row for each layer.
        by: "layer", or "stage" for a row for each stage.
        compiled: also compiles inference and a training step of a batch, for XLA's account of their memory.
        **net: `norm`, `act`, `stem`, `num_classes`, `image_size`, `channels` and `fields`, as of
            `jaxcnn.inside.opened.NetOptions`.

    Raises:
        UserError: for an unknown model, or a setting that does not fit it.
    """
    check_word("by", by, BY)
    check_whole("batch_size", batch_size, at_least(1))
    if depth is not None:
        check_whole("depth", depth, at_least(1))
        if by == "stage":
            raise UserError("depth and by='stage' both say what a row is: give one of them")
    opened = open_net(model, **net)
    with told_errors(opened):
        found = walk(opened.model, opened.image_shape)
        needed = memory(opened.model, opened.image_shape, batch_size)
    name = stage if by == "stage" else None if depth is None else at_depth(depth)
    layers = found.layers if name is None else grouped(found, name)
    exact = compiled_memory(opened.model, opened.image_shape, batch_size) if compiled else None
    return Summary(opened.name, opened.image_shape, layers, found, needed, exact)


def _told(needed: Memory | CompiledMemory) -> str:
    training = "" if needed.training is None else f", {_bytes(needed.training)} for a training step"
    return f"{_bytes(needed.inference)} for inference{training}"


def _bytes(count: int) -> str:
    if count < 1e5:
        return f"{count / 1e3:,.1f} kB"
    return f"{count / 1e6:,.1f} MB" if count < 1e9 else f"{count / 1e9:,.2f} GB"

"""The columns of a table of layers."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from jaxcnn.analysis.layer import Extent, Layer
from jaxcnn.errors import check_word

_FEW = 50_000
"""Multiply-adds below which a layer would have "0.0 M"."""
_MANY = 10_000_000
"""From so many multiply-adds in a net on, millions are printed."""


class Totals(NamedTuple):
    """The sums of all rows."""

    params: int
    multiply_adds: int
    activations: int


class Column(NamedTuple):
    """A column."""

    header: str
    cell: Callable[[Layer, Totals], str]
    total: Callable[[Totals], str] = lambda _: ""
    number: bool = True
    """Whether it is set to the right."""


def _kind(layer: Layer, _: Totals) -> str:
    mark = f"({layer.mark})" if layer.mark else ""
    return " ".join(filter(None, (layer.kind, layer.detail, mark)))


def _shape(layer: Layer, _: Totals) -> str:
    return "" if layer.output_shape is None else "x".join(map(str, layer.output_shape))


def extent(value: Extent) -> str:
    """Returns an extent as text: "11", "1x7", "global", or "" for none."""
    if isinstance(value, tuple):
        return "x".join(extent(part) or "-" for part in value)
    return "" if value is None else str(value)


def operations(count: int, totals: Totals) -> str:
    """Returns a number of multiply-adds: exact where it or that of the net is small, else in millions."""
    exact = totals.multiply_adds < _MANY or count < _FEW
    return f"{count:,}" if exact else f"{count / 1e6:,.1f} M"


COLUMNS: Mapping[str, Column] = {
    "path": Column("layer", lambda layer, _: layer.path, lambda _: "total", number=False),
    "kind": Column("kind", _kind, number=False),
    "output": Column("output", _shape, number=False),
    "params": Column("parameters", lambda layer, _: f"{layer.params:,}", lambda sums: f"{sums.params:,}"),
    "share": Column(
        "of them",
        lambda layer, sums: f"{layer.params / max(sums.params, 1):.1%}",
        lambda sums: "100.0%" if sums.params else "0.0%",
    ),
    "multiply-adds": Column(
        "multiply-adds",
        lambda layer, sums: operations(layer.multiply_adds, sums),
        lambda sums: operations(sums.multiply_adds, sums),
    ),
    "activations": Column("values", lambda layer, _: f"{layer.activations:,}", lambda sums: f"{sums.activations:,}"),
    "field": Column("field", lambda layer, _: extent(layer.receptive.size)),
    "stride": Column("stride", lambda layer, _: extent(layer.receptive.stride)),
    "offset": Column("offset", lambda layer, _: extent(layer.receptive.offset)),
}
"""By the word that asks for it."""
DEFAULT = ("path", "kind", "output", "params", "multiply-adds", "field", "stride")


def chosen(words: Sequence[str]) -> list[Column]:
    """Returns the columns of these words; raises `UserError` for an unknown one."""
    for word in words:
        check_word("column", word, COLUMNS)
    return [COLUMNS[word] for word in words]


def cells(columns: Sequence[Column], layers: Sequence[Layer], totals: Totals) -> list[list[str]]:
    """Returns the rows of a table, the totals last."""
    rows = [[column.cell(layer, totals) for column in columns] for layer in layers]
    return [*rows, [column.total(totals) for column in columns]]

"""What differs between two nets."""

import dataclasses
from typing import Any, Unpack

from jaxcnn.analysis.layer import Extent, Layer
from jaxcnn.inside.columns import extent
from jaxcnn.inside.opened import NetOptions
from jaxcnn.inside.summary import Summary, summary

_FACTS = ("kind", "detail", "output_shape", "params", "multiply_adds", "receptive")


@dataclasses.dataclass(frozen=True)
class Nets:
    """What differs between two nets."""

    first: Summary
    second: Summary

    @property
    def removed(self) -> tuple[Layer, ...]:
        """Layers of the first net whose path the second does not have."""
        return _without(self.first, self.second)

    @property
    def added(self) -> tuple[Layer, ...]:
        """Layers of the second net whose path the first does not have."""
        return _without(self.second, self.first)

    @property
    def changed(self) -> tuple[tuple[Layer, Layer], ...]:
        """Layers that both have, and that differ in anything."""
        others = {layer.path: layer for layer in self.second.layers}
        pairs = [(layer, others[layer.path]) for layer in self.first.layers if layer.path in others]
        return tuple((one, other) for one, other in pairs if _facts(one) != _facts(other))

    def as_dict(self) -> dict[str, Any]:
        """Returns all of it for JSON."""
        return {
            "models": [self.first.name, self.second.name],
            "totals": [each.totals._asdict() for each in (self.first, self.second)],
            "removed": [layer.as_dict() for layer in self.removed],
            "added": [layer.as_dict() for layer in self.added],
            "changed": [[one.as_dict(), other.as_dict()] for one, other in self.changed],
        }

    def names(self) -> tuple[str, str]:
        """Returns the name of each net; "A" and "B" behind two that have the same."""
        one, two = self.first.name, self.second.name
        return (one, two) if one != two else (f"{one} A", f"{two} B")

    def totals(self) -> list[tuple[str, str, str, str]]:
        """Returns rows: what, of the first, of the second, and how they compare."""
        one, other = (dict(_sums(each)) for each in (self.first, self.second))
        return [(what, f"{one[what]:,}", f"{other[what]:,}", _ratio(one[what], other[what])) for what in one] + [
            ("field of the last map", extent(last_field(self.first)), extent(last_field(self.second)), "")
        ]

    def rows(self) -> list[tuple[str, str, str]]:
        """Returns a row for each layer that differs: its path, what it is in the first, and in the second."""
        both = {one.path: (told(one), told(other)) for one, other in self.changed}
        both |= {layer.path: (told(layer), "") for layer in self.removed}
        both |= {layer.path: ("", told(layer)) for layer in self.added}
        order = [layer.path for layer in (*self.first.layers, *self.second.layers)]
        return [(path, *both[path]) for path in dict.fromkeys(order) if path in both]


def diff_nets(
    first: Summary | Any, second: Summary | Any, *, depth: int | None = None, **net: Unpack[NetOptions]
) -> Nets:
    """Returns what differs between two nets, layer by layer. Both are traced, and nothing is computed.

    Args:
        first: as of `jaxcnn.summary`, or what that returned.
        second: likewise.
        depth: a row for each module at this depth; None: a row for each layer.
        **net: as of `jaxcnn.summary`, for both.

    Raises:
        UserError: as of `jaxcnn.summary`.
    """
    pair = [each if isinstance(each, Summary) else summary(each, depth=depth, **net) for each in (first, second)]
    return Nets(*pair)


def told(layer: Layer) -> str:
    """Returns a layer in words: "Conv 3x3, padding 1 -> 56x56x64, 36,864 parameters, field 27"."""
    what = " ".join(filter(None, (layer.kind, layer.detail)))
    shape = "x".join(map(str, layer.output_shape or ()))
    parts = [f"{what} -> {shape}", f"{layer.params:,} parameters" if layer.params else ""]
    parts.append(f"field {extent(layer.receptive.size)}" if layer.receptive.size is not None else "")
    return ", ".join(filter(None, parts))


def _facts(layer: Layer) -> tuple[Any, ...]:
    return tuple(getattr(layer, name) for name in _FACTS)


def _without(one: Summary, other: Summary) -> tuple[Layer, ...]:
    paths = {layer.path for layer in other.layers}
    return tuple(layer for layer in one.layers if layer.path not in paths)


def _sums(found: Summary) -> list[tuple[str, int]]:
    sums = found.totals
    return [("parameters", sums.params), ("multiply-adds", sums.multiply_adds), ("values", sums.activations)]


def _ratio(one: int, other: int) -> str:
    return f"{other / one:.2f} times" if one else ""


def last_field(found: Summary) -> Extent:
    """Returns how much of the image a cell of the last map sees; of a net without maps, what its last layer sees."""
    evaluated = [layer for layer in found.layers if not layer.training_only]  # auxiliary heads come last
    maps = [layer for layer in evaluated[1:] if layer.output_shape and len(layer.output_shape) == 3]
    return (maps or evaluated)[-1].receptive.size

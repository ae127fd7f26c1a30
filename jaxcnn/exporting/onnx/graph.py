"""The graph that is being written, and the values in it."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from jaxcnn.errors import UserError

Order = tuple[int, ...]


class NoCounterpartError(UserError):
    """An operation that is not written as ONNX. The message says which."""


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Value:
    """A value of the jaxpr: a tensor of the graph, or an array that is known already."""

    shape: tuple[Any, ...]
    """In the jaxpr; the batch is a symbol."""
    name: str = ""
    """Of the tensor; "" for a known array."""
    order: Order = ()
    """The tensor's axis k is axis order[k] of the jaxpr. A known array has the jaxpr's order."""
    thin: frozenset[int] = frozenset()
    """Axes of the jaxpr that have length 1 in the graph, and are broadcast where that matters."""
    known: np.ndarray | None = None
    hint: str = ""
    """What a known array is called where it becomes a tensor."""
    mixed: tuple[tuple[int, ...], Order] | None = None
    """Of (batch, features) that were flattened: the sizes of the axes in the jaxpr, and the order in which the graph's
    features run through them."""

    @property
    def rank(self) -> int:
        """Number of axes in the jaxpr."""
        return len(self.shape)


def known(array: Any, hint: str = "") -> Value:
    """Returns the value of an array."""
    array = np.asarray(array)
    return Value(shape=array.shape, known=array, order=tuple(range(array.ndim)), hint=hint)


class Graph:
    """Nodes and constants."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self.scope = ""
        """Where in the net the operation is that is written, for the names of nodes."""
        self._taken: set[str] = set()

    def tensors(self) -> list[TensorProto]:
        """Returns the constants that nodes use."""
        used = {name for node in self.nodes for name in node.input}
        return [numpy_helper.from_array(value, name) for name, value in self.constants.items() if name in used]

    def add(self, op: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Adds a node; returns the name of its output."""
        name = self._unique(f"{self.scope}/{op}".lstrip("/"))
        given = {key: value for key, value in attributes.items() if value is not None}
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=name, **given))
        return name

    def constant(self, array: np.ndarray, hint: str = "constant") -> str:
        """Adds a constant; returns its name. Equal small ones are one."""
        array = np.asarray(array)
        if array.size <= 16:
            for name, other in self.constants.items():
                if other.dtype == array.dtype and other.shape == array.shape and (other == array).all():
                    return name
        name = self._unique(hint or "constant")
        self.constants[name] = np.array(array, order="C")
        return name

    def integers(self, *numbers: int) -> str:
        """Adds a list of int64; returns its name."""
        return self.constant(np.array(numbers, np.int64))

    def _unique(self, name: str) -> str:
        number, found = 1, name
        while found in self._taken:
            number += 1
            found = f"{name}_{number}"
        self._taken.add(found)
        return found

    def ordered(self, value: Value, order: Order) -> str:
        """Returns the name of a value's tensor, its axes in this order."""
        if value.known is not None:
            return self.constant(value.known.transpose(order), value.hint)
        plain = self.plain(value)
        if plain.order == order:
            return plain.name
        return self.add("Transpose", [plain.name], perm=[plain.order.index(axis) for axis in order])

    def plain(self, value: Value) -> Value:
        """Returns a value whose features, if they were flattened, run as in the jaxpr."""
        if value.mixed is None:
            return value
        sizes, order = value.mixed
        shape = [-1, *(sizes[axis] for axis in order)]
        name = self.add("Reshape", [value.name, self.integers(*shape)])
        perm = [0, *(1 + order.index(axis) for axis in range(len(sizes)))]
        name = self.add("Transpose", [name], perm=perm)
        name = self.add("Reshape", [name, self.integers(-1, int(np.prod(sizes)))])
        return dataclasses.replace(value, name=name, mixed=None)

    def full(self, value: Value) -> Value:
        """Returns a value that has its whole shape in the graph, or is known as a whole.

        Raises:
            NoCounterpartError: if it is the same for the whole batch: its size is known only when the graph runs.
        """
        if not value.thin:
            return value
        if any(not isinstance(value.shape[axis], int) for axis in value.thin):
            raise NoCounterpartError("a value that is repeated for each image")
        if value.known is not None:
            return known(np.broadcast_to(value.known, value.shape), value.hint)
        sizes = [value.shape[axis] if axis in value.thin else 1 for axis in value.order]
        name = self.add("Expand", [value.name, self.integers(*sizes)])
        return dataclasses.replace(value, name=name, thin=frozenset())

    def rename(self, name: str, wanted: str) -> None:
        """Gives a tensor another name."""
        for node in self.nodes:
            for names in (node.input, node.output):
                for place, each in enumerate(names):
                    if each == name:
                        names[place] = wanted


def result(like: Mapping[str, Any], name: str, shape: Sequence[Any]) -> Value:
    """Returns the value of a node: `name`, with this shape in the jaxpr, and in all else the fields `like`."""
    return Value(name=name, shape=tuple(shape), **like)

"""The graph that is being written, and the values in it."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from jaxcnn.errors import UserError
from jaxcnn.exporting.exportable import BATCH

Order = tuple[int, ...]
IMAGE, OUTPUTS = "image", ("logits", "probabilities")
"""Names of the input and the outputs."""
_SMALL = 16
"""Most numbers of a constant that is looked for among those that are there."""


class NoCounterpartError(UserError):
    """An operation that is not written as ONNX. The message says which, and where in the net it is."""

    def within(self, scope: str) -> "NoCounterpartError":
        """Returns the error with the path of its layer; the innermost is kept."""
        return self if self.scope else NoCounterpartError(str(self), scope)

    def __init__(self, message: str, scope: str = "") -> None:
        super().__init__(message)
        self.scope = scope

    def __str__(self) -> str:
        return f"{super().__str__()} in {self.scope}" if self.scope else super().__str__()


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

    @property
    def array(self) -> np.ndarray:
        """The array of a value that is known."""
        assert self.known is not None, f"{self.name} is not known before the graph runs"
        return self.known


def known(array: Any, hint: str = "") -> Value:
    """Returns the value of an array, also of keys of random numbers."""
    if not jax.dtypes.issubdtype(getattr(array, "dtype", np.float32), jax.dtypes.extended):
        array = np.asarray(array)
    return Value(shape=array.shape, known=array, order=tuple(range(array.ndim)), hint=hint)


def is_sized(shape: Sequence[Any]) -> bool:
    """Returns whether a shape does not depend on the size of the batch."""
    return all(isinstance(size, int | np.integer) for size in shape)


class Graph:
    """Nodes and constants."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self.scope = ""
        """Where in the net the operation is that is written, for the names of nodes."""
        self._taken = {IMAGE, *OUTPUTS}
        self._small: dict[Any, str] = {}

    def tensors(self) -> list[TensorProto]:
        """Returns the constants that nodes use."""
        used = {name for node in self.nodes for name in node.input}
        return [numpy_helper.from_array(value, name) for name, value in self.constants.items() if name in used]

    def add(self, op: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Adds a node; returns the name of its output."""
        return self.several(op, inputs, 1, **attributes)[0]

    def several(self, op: str, inputs: Sequence[str], count: int, **attributes: Any) -> list[str]:
        """Adds a node of several outputs; returns their names.

        Args:
            op: of ONNX.
            inputs: their names.
            count: number of outputs.
            **attributes: of the node; None leaves one out.
        """
        names = [self._unique(f"{self.scope}/{op}".lstrip("/")) for _ in range(count)]
        given = {key: value for key, value in attributes.items() if value is not None}
        self.nodes.append(helper.make_node(op, list(inputs), names, name=names[0], **given))
        return names

    def constant(self, array: np.ndarray, hint: str = "constant") -> str:
        """Adds a constant; returns its name. Equal small ones are one."""
        array = np.array(array, order="C")
        content = (array.dtype, array.shape, array.tobytes()) if array.size <= _SMALL else None
        if content in self._small:
            return self._small[content]
        name = self._unique(hint or "constant")
        self.constants[name] = array
        if content:
            self._small[content] = name
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
        """Returns a value that has its whole shape in the graph, or is known as a whole."""
        if not value.thin:
            return value
        if value.known is not None and is_sized(value.shape):
            return known(np.broadcast_to(value.known, value.shape), value.hint)
        sizes = [value.shape[axis] if axis in value.thin else 1 for axis in value.order]
        name = self.add("Expand", [self.ordered(value, value.order), self.sizes(sizes)])
        return dataclasses.replace(value, name=name, known=None, thin=frozenset())

    def sizes(self, shape: Sequence[Any]) -> str:
        """Returns the name of a shape, list of int64; the size of the batch is read from the image.

        Raises:
            NoCounterpartError: for a size that is computed from that of the batch.
        """
        if is_sized(shape):
            return self.integers(*shape)
        if any(not isinstance(size, int) and str(size) != BATCH for size in shape):
            raise NoCounterpartError("an array whose size is computed from that of the batch")
        batch = self.add("Gather", [self.add("Shape", [IMAGE]), self.integers(0)], axis=0)
        return self.add("Concat", [self.integers(size) if isinstance(size, int) else batch for size in shape], axis=0)

    def rename(self, name: str, wanted: str) -> None:
        """Gives a tensor another name."""
        for node in self.nodes:
            for names in (node.input, node.output):
                for place, each in enumerate(names):
                    if each == name:
                        names[place] = wanted

"""Collects the layers of a net from its operations, one after the other.

A layer is a module that calls no other. What a module with others in it computes itself becomes a layer of its own if
it is a product, a pooling or a concatenation. The rest of it, sums and activations, is elementwise: it can be computed
in place, and is not listed.
"""

import dataclasses
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import jax
from flax.traverse_util import flatten_dict
from jax.extend.core import JaxprEqn

from jaxcnn.analysis.calls import Call
from jaxcnn.analysis.flow import Operation
from jaxcnn.analysis.layer import Layer, Window, receptive, window_of
from jaxcnn.analysis.reach import Reach, shape_of
from jaxcnn.analysis.trace import products

_NAMES = {
    "concatenate": "concatenate",
    "conv_general_dilated": "conv",
    "dot_general": "matmul",
    "reduce_window_max": "max_pool",
    "reduce_window_min": "min_pool",
    "reduce_window_sum": "avg_pool",
}
_GLOBAL = ("reduce_sum", "reduce_max")
"""Primitives of pooling over a whole map."""
_JOIN = "Join"
Path: TypeAlias = tuple[str, ...]
_Key: TypeAlias = tuple[Path, str, int]
"""Path of a module, name of a function that it computes itself or "", and the number of that."""


@dataclasses.dataclass
class _Row:
    """A layer that is being counted."""

    kind: str
    shape: tuple[int, ...]
    detail: str = ""
    window: Window | None = None
    reach: Reach = None
    call: int | None = None
    """The number of its last call, if it is a module."""
    equation: JaxprEqn | None = None
    """That which computes it, if it is none."""
    operations: int = 0
    calls: int = 0
    turns: int = 1
    products: int = 0
    values: int = 0
    size: int = 0
    """Bytes of the values."""
    params: int = 0

    def run(self, times: int) -> None:
        """Counts one more call, in a loop of so many turns."""
        self.calls += times
        self.turns = max(self.turns, times)

    def keep(self, arrays: Sequence[Any], times: int) -> None:
        """Counts the values of a result."""
        self.values += times * sum(array.size for array in arrays)
        self.size += times * sum(array.size * array.dtype.itemsize for array in arrays)

    def compute(self, equation: JaxprEqn, times: int) -> None:
        """Counts an operation."""
        self.operations += 1
        self.products += times * products(equation)
        self.window = self.window or window_of(equation)

    def layer(self, path: str, *, training_only: bool = False) -> Layer:
        """Returns it as it is shown."""
        return Layer(
            path=path,
            kind=self.kind,
            detail=", ".join(filter(None, (str(self.window or ""), self.detail))),
            output_shape=self.shape,
            params=self.params,
            multiply_adds=self.products,
            activations=self.values,
            activation_bytes=self.size,
            receptive=receptive(self.reach),
            calls=self.calls,
            turns=self.turns,
            window=self.window,
            training_only=training_only,
        )


class Rows:
    """The layers of a net."""

    def __init__(self, calls: Sequence[Call]) -> None:
        """Starts without layers; `calls` are those of the trace, by number."""
        self._calls = calls
        self._parents = {call.parent for call in calls}
        self._rows: dict[_Key, _Row] = {}
        self._of_equation: dict[tuple[int | None, int], _Row] = {}
        self._met: Counter[Any] = Counter()

    def add(self, operation: Operation) -> None:
        """Counts an operation."""
        if operation.ends is not None:
            self._end(operation.ends, operation.times)
        elif operation.call is not None and self._is_layer(operation.call):
            if operation.times:
                self._row(operation.call).compute(operation.equation, operation.times)
                self._met[operation.call] += 1
        elif operation.times:
            self._compute_between(operation)
        elif row := self._of_equation.get((operation.call, id(operation.equation))):
            row.reach = operation.output

    def layers(self, reaches: Mapping[int, Reach], params: Any, initial: Sequence[Call]) -> Iterator[Layer]:
        """Yields the layers.

        Args:
            reaches: number of a call -> the field of its output.
            params: the parameters, as shapes.
            initial: the calls of initialisation.
        """
        paths = {path for path, name, _ in self._rows if not name}
        others = {call.path: call for call in initial if call.path not in paths}
        absent = self._share_out(params, paths, others)
        for path, row in self._named():
            if row.call is not None:
                row.reach = reaches[row.call]
            if row.operations or row.params or row.kind == _JOIN:
                yield row.layer(path)
        for owner, count in absent.items():
            shapes = others[owner].outputs
            row = _Row(others[owner].kind, shapes[0].shape[1:] if shapes else (), params=count)
            yield row.layer("/".join(owner), training_only=True)

    def equations(self) -> dict[str, JaxprEqn]:
        """Returns, by path, the operation of each layer that is no module: a module with others computes it itself."""
        return {path: row.equation for path, row in self._named() if row.equation is not None}

    def _named(self) -> Iterator[tuple[str, _Row]]:
        """Yields the rows with their paths, as they are shown."""
        alike = Counter(key[:2] for key in self._rows)
        for (path, name, number), row in self._rows.items():
            last = (f"{name}{number}" if alike[path, name] > 1 else name,) if name else ()
            yield "/".join((*path, *last)) or row.kind, row

    def _share_out(self, params: Any, paths: Collection[Path], others: Collection[Path]) -> dict[Path, int]:
        """Gives parameters to the modules that they belong to; returns those of the `others`, which did not run."""
        absent: dict[Path, int] = {}
        for path, leaf in flatten_dict(params).items():
            count = sum(array.size for array in jax.tree.leaves(leaf))
            within = (path[:end] for end in range(len(path), -1, -1))
            owner = next(each for each in within if each in paths or each in others)
            if owner in paths:
                self._rows[owner, "", 0].params += count
            else:
                absent[owner] = absent.get(owner, 0) + count
        return absent

    def _is_layer(self, number: int) -> bool:
        """Returns whether a call is that of a layer: of a module that calls no other, and is not the net itself."""
        return number not in self._parents and bool(self._calls[number].path)

    def _row(self, number: int) -> _Row:
        """Returns the row of a module that is called."""
        call = self._calls[number]
        shape = call.outputs[0].shape[1:] if call.outputs else ()
        row = self._rows.setdefault((call.path, "", 0), _Row(call.kind, shape, call.said))
        row.call = number
        return row

    def _end(self, number: int, times: int) -> None:
        """Notes that a call of a module is over."""
        if not times:
            return
        row = self._row(number)
        row.run(times)
        if self._met.pop(number, 0):
            row.keep(self._calls[number].outputs, times)

    def _compute_between(self, operation: Operation) -> None:
        """Counts an operation of a module that calls others, or of none."""
        name = _name_of(operation)
        if not name:
            return
        path = () if operation.call is None else self._calls[operation.call].path
        number = self._next(operation.call, name)
        output: Any = operation.equation.outvars[0]
        row = self._rows.setdefault((path, name, number), _Row(name, shape_of(output)[1:]))
        row.equation = operation.equation
        row.compute(operation.equation, operation.times)
        row.run(operation.times)
        row.keep([output.aval], operation.times)
        row.reach = operation.output
        self._of_equation[operation.call, id(operation.equation)] = row

    def _next(self, call: int | None, name: str) -> int:
        """Returns the number, from 1, of an operation among those of its name in a call."""
        self._met[call, name] += 1
        return self._met[call, name]


def _name_of(operation: Operation) -> str:
    """Returns the name of an operation between layers, or "" for one that is not listed."""
    equation, name = operation.equation, operation.equation.primitive.name
    fields = [reach for reach in operation.inputs if reach is not None]
    if products(equation):
        return _NAMES[name]
    if not fields:
        return ""
    if name in _NAMES and (window_of(equation) or (name == "concatenate" and len(fields) > 1)):
        return _NAMES[name]
    if name in _GLOBAL and not isinstance(fields[0], str):
        gone, axes = set(equation.params["axes"]), {axis for side in fields[0] for axis in side.axes}
        return "global_pool" if axes and axes <= gone else ""
    return ""

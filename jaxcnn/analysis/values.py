"""The values between the layers of a net: what each layer reads and gives, and what an activation makes of it."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import jax
import numpy as np
from jax.extend.core import JaxprEqn, Literal

from jaxcnn.analysis.calls import number_of, output_of
from jaxcnn.analysis.reach import shape_of
from jaxcnn.analysis.trace import inner_jaxprs, products
from jaxcnn.analysis.walk import Traced
from jaxcnn.types import Array, Variables

Value: TypeAlias = Any
"""A variable of the net's jaxpr."""
ACTIVATION = "activation"
"""Name of an activation that has no other."""
_PRIMITIVES = {"tanh": "tanh", "logistic": "sigmoid", "erf": "gelu", "erfc": "gelu"}
"""Activations by the operation that tells them."""
_LINEAR = {"add", "convert_element_type", "copy", "div", "mul", "name", "neg", "sub"}
"""Operations that are no activation, as the division of a mean."""
_SUMS = {"add": "sum", "add_any": "sum", "concatenate": "concatenation"}
"""Operations that put branches together, and what they are called."""


class Activated(NamedTuple):
    """What elementwise functions make of a value, where nothing else reads it."""

    value: Value
    """The last of them; the value itself, if there are none."""
    name: str
    """Of the first of them that is no cast: "relu"; "" for none."""
    passed: frozenset[Value]
    """All values on the way, the first one included."""
    alone: bool
    """Whether one layer reads the last value, and nothing else does."""


class Joined(NamedTuple):
    """What puts branches together."""

    value: Value
    kind: str
    """"sum" or "concatenation"."""
    name: str
    """Of the activation behind it: "relu"; "" for none."""


class Values:
    """The values of a traced net.

    Those in loops, and in modules that are traced as a whole (`nn.remat`, `nn.jit`), are not found: they are None.
    """

    def __init__(self, traced: Traced, equations: Mapping[str, JaxprEqn]) -> None:
        """Finds them.

        Args:
            traced: the net.
            equations: by path, those of layers that are no modules, as `Rows.equations`.
        """
        self._traced = traced
        self._equations: Sequence[JaxprEqn] = traced.jaxpr.jaxpr.eqns
        self._given: dict[str, Value] = {path: each.outvars[0] for path, each in equations.items()}
        self._read: dict[str, Value] = {}
        self._readers: dict[Value, list[JaxprEqn]] = {}
        self._activated: dict[Value, Activated] = {}
        self._dependent: set[Value] = {traced.jaxpr.jaxpr.invars[-1]}
        self._parents = {call.parent for call in traced.calls}
        own = {id(equation): path for path, equation in equations.items()}
        for equation in self._equations:
            self._meet(equation, own)
        self._made = {value: equation for equation in self._equations for value in equation.outvars}
        self._given = {path: value for path, value in self._given.items() if value in self._made}
        self._ends = {value for value in traced.jaxpr.jaxpr.outvars if not isinstance(value, Literal)}

    def _meet(self, equation: JaxprEqn, own: Mapping[int, str]) -> None:
        read = list(self._inputs(equation))
        for value in dict.fromkeys(read):
            self._readers.setdefault(value, []).append(equation)
        if read:
            self._dependent.update(equation.outvars)
        ends = output_of(equation)
        path = self._path(number_of(equation, None) if ends is None else ends)
        if ends is not None:
            self._given[path] = equation.outvars[0]
        if read and (path := own.get(id(equation), path)):
            self._read.setdefault(path, read[0])

    def _path(self, number: int | None) -> str:
        """Returns the path of the module of a call."""
        return "" if number is None else "/".join(self._traced.calls[number].path)

    def _inputs(self, equation: JaxprEqn) -> Iterator[Value]:
        """Yields those inputs of an operation that depend on the image."""
        return (each for each in equation.invars if not isinstance(each, Literal) and each in self._dependent)

    @property
    def logits(self) -> Value:
        """What the net returns; of several arrays the first."""
        return self._traced.jaxpr.jaxpr.outvars[0]

    def gives(self, path: str) -> Value | None:
        """Returns what a layer or module gives, by its path; of several calls the last."""
        return self._given.get(path)

    def reads(self, path: str) -> Value | None:
        """Returns what a layer reads first of what depends on the image, by its path; of several calls the first."""
        return self._read.get(path)

    def activated(self, value: Value) -> Activated:
        """Returns what elementwise functions make of a value until anything else reads it.

        A value that is read elsewhere, too, as by a shortcut, is returned as it is.
        """
        if value not in self._activated:
            self._activated[value] = self._follow(value)
        return self._activated[value]

    def _follow(self, value: Value) -> Activated:
        behind, names = [value], list[str]()
        for each in behind:  # the list grows meanwhile
            for equation in self._readers.get(each, ()):
                known = equation.outvars[0] in behind or not set(self._inputs(equation)) <= set(behind)
                if not known and self._is_elementwise(equation, shape_of(value)):
                    behind += equation.outvars
                    names.append(name_of(equation))
        passed = frozenset(behind)
        exits = [each for each in behind if each in self._ends or self._left(each, passed)]
        if len(exits) != 1:
            return Activated(value, "", frozenset({value}), False)
        last = exits[0]
        inside = frozenset(each for each in behind if self._leads(each, last, passed))
        alone = len({self._unit(each) for each in self._readers.get(last, ())}) == 1 and last not in self._ends
        return Activated(last, _best(names) if last != value else "", inside, alone)

    def joined(self, value: Value) -> Joined | None:
        """Returns the last sum or concatenation of several values behind which there is no layer before `value`."""
        names, behind = list[str](), [value]
        for each in behind:  # the list grows meanwhile
            equation = self._made.get(each)
            if equation is None or self._layer(equation) is not None or products(equation):
                continue
            inputs = list(self._inputs(equation))
            if equation.primitive.name in _SUMS and len(inputs) > 1:
                return Joined(each, _SUMS[equation.primitive.name], _best(names))
            names.append(name_of(equation))
            behind += [new for new in inputs if new not in behind]
        return None

    def _left(self, value: Value, passed: Collection[Value]) -> bool:
        """Returns whether an operation whose result was not passed reads a value."""
        return any(equation.outvars[0] not in passed for equation in self._readers.get(value, ()))

    def _leads(self, value: Value, last: Value, passed: Collection[Value]) -> bool:
        if value == last:
            return True
        results = [each.outvars[0] for each in self._readers.get(value, ())]
        return any(self._leads(result, last, passed) for result in results if result in passed)

    def _is_elementwise(self, equation: JaxprEqn, shape: tuple[int, ...]) -> bool:
        """Returns whether an operation between layers keeps a shape, and is no product."""
        if self._layer(equation) is not None:
            return False
        return not products(equation) and all(shape_of(each) == shape for each in equation.outvars)

    def _layer(self, equation: JaxprEqn) -> int | None:
        """Returns the number of the call of a layer that an operation is a part of; None for one between layers."""
        number = number_of(equation, None)
        inside = number is not None and number not in self._parents and self._path(number)
        return number if inside and output_of(equation) is None else None

    def _unit(self, equation: JaxprEqn) -> int | str:
        """Returns what tells an operation from those of other layers."""
        number = self._layer(equation)
        return f"operation {id(equation)}" if number is None else number

    def compute(self, variables: Variables, image: Array, wanted: Iterable[Value]) -> dict[Value, np.ndarray]:
        """Returns values of one image, float32 or as the net computes them.

        Args:
            variables: of the net.
            image: (1, height, width, channels) float32, whitened.
            wanted: values.
        """
        chosen = list(dict.fromkeys(wanted))

        def run(leaves: Sequence[Array]) -> list[Array]:
            jaxpr = self._traced.jaxpr.jaxpr
            known = dict(zip(jaxpr.constvars, self._traced.jaxpr.consts, strict=True))
            known |= dict(zip(jaxpr.invars, leaves, strict=True))
            for equation in self._equations:
                given = [each.val if isinstance(each, Literal) else known[each] for each in equation.invars]
                with equation.ctx.manager:
                    found = equation.primitive.bind(*given, **equation.primitive.get_bind_params(equation.params))
                known |= dict(
                    zip(equation.outvars, found if equation.primitive.multiple_results else [found], strict=True)
                )
            return [known[value] for value in chosen]

        found = jax.jit(run)([*jax.tree.leaves(variables), image])
        return dict(zip(chosen, jax.device_get(found), strict=True))


def name_of(equation: JaxprEqn) -> str:
    """Returns the name of an activation, such as "relu"; "" for an operation that is none."""
    name = equation.primitive.name
    if name in _LINEAR:
        return ""
    called = equation.params.get("name") if name in ("jit", "pjit") else None
    if called:
        return str(called).strip("_")
    inner = [name_of(each) for jaxpr in inner_jaxprs(equation) for each in jaxpr.eqns]
    return _best(inner) or _PRIMITIVES.get(name, ACTIVATION)


def _best(names: Iterable[str]) -> str:
    """Returns the first name that says something."""
    known = list(filter(None, names))
    return next((name for name in known if name != ACTIVATION), known[0] if known else "")

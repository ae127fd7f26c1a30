"""Follows the values of a net through its jaxpr: operations by call, and what each value depends on in the image."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jax.extend.core import Jaxpr, JaxprEqn, Literal

from jaxcnn.analysis import field
from jaxcnn.analysis.calls import number_of, output_of
from jaxcnn.analysis.reach import UNKNOWN, Input, Reach, both, merged, shape_of
from jaxcnn.analysis.rules import passed
from jaxcnn.analysis.trace import inner_jaxprs, loop_inputs


class Place(NamedTuple):
    """Where a jaxpr stands."""

    call: int | None
    """The number of the call that it belongs to."""
    times: int
    """How often it is executed; 0 if it was counted before, and only fields are followed."""


class Value(NamedTuple):
    """What is known of a value."""

    reach: Reach = None
    known: Callable[[], np.ndarray] | None = None
    """Computes it, if it depends neither on the image nor on variables."""


class Operation(NamedTuple):
    """A primitive operation, as it is met."""

    equation: JaxprEqn
    call: int | None
    """The number of the call that it belongs to."""
    times: int
    """How often it is executed; 0 if it was counted before."""
    inputs: tuple[Reach, ...]
    """Their fields."""
    output: Reach
    """The field of the first output."""
    ends: int | None
    """The number of the call whose output this is: an operation that computes nothing."""


class Flow:
    """One pass through a jaxpr.

    Attributes:
        beyond: whether padding counts as positions outside of the image; see `field.slid`.
        reaches: number of a call -> the field of its output, of the last turn of a loop.
    """

    def __init__(self, *, beyond: bool, each: Callable[[Operation], None] = lambda _: None) -> None:
        """Makes a pass.

        Args:
            beyond: see `field.slid`.
            each: is told of every operation that contains no jaxpr, in order.
        """
        self.beyond, self._each = beyond, each
        self.reaches: dict[int, Reach] = {}

    def follow(self, jaxpr: Jaxpr, constants: Sequence[Any], inputs: Sequence[Value], place: Place) -> list[Value]:
        """Returns what is known of the outputs of a jaxpr.

        Args:
            jaxpr: to be followed.
            constants: of its `constvars`.
            inputs: of its `invars`.
            place: where it stands.
        """
        found: dict[Any, Value] = dict(zip(jaxpr.invars, inputs, strict=True))
        found |= {variable: _constant(value) for variable, value in zip(jaxpr.constvars, constants, strict=True)}

        def value(variable: Any) -> Value:
            return _constant(variable.val) if isinstance(variable, Literal) else found[variable]

        for equation in jaxpr.eqns:
            values = [value(variable) for variable in equation.invars]
            here = place._replace(call=number_of(equation, place.call))
            outputs = self._step(equation, values, here)
            found |= dict(zip(equation.outvars, outputs, strict=True))
        return [value(variable) for variable in jaxpr.outvars]

    def _step(self, equation: JaxprEqn, values: Sequence[Value], place: Place) -> Sequence[Value]:
        name, inner = equation.primitive.name, inner_jaxprs(equation)
        control = {"cond": self._branches, "scan": self._loop, "while": self._unknown}
        if name in control:
            return control[name](equation, values, place)
        if name not in _WITH_FUNCTIONS and len(inner) == 1 and len(inner[0].invars) == len(values):
            return self.follow(inner[0], _constants_of(equation), values, place)
        if inner and name not in _WITH_FUNCTIONS:
            return self._unknown(equation, values, place)
        inputs = [
            Input(shape_of(variable), value.reach, value.known)
            for variable, value in zip(equation.invars, values, strict=True)
        ]
        reaches = passed(equation, inputs, beyond=self.beyond)
        ends = output_of(equation)
        if ends is not None:
            self.reaches[ends] = reaches[0]
        given = tuple(value.reach for value in values)
        self._each(Operation(equation, place.call, place.times, given, reaches[0], ends))
        return [Value(reach, known) for reach, known in zip(reaches, _computed(equation, values), strict=True)]

    def _unknown(self, equation: JaxprEqn, values: Sequence[Value], place: Place) -> list[Value]:
        """Returns the outputs of an operation whose jaxprs run an unknown number of times; they are counted once."""
        for inner in inner_jaxprs(equation):
            of_none = [Value(UNKNOWN if any(each.reach is not None for each in values) else None)] * len(inner.invars)
            self.follow(inner, [np.zeros(())] * len(inner.constvars), of_none, place)
        depends = any(each.reach is not None for each in values)
        return [Value(UNKNOWN if depends else None)] * len(equation.outvars)

    def _branches(self, equation: JaxprEqn, values: Sequence[Value], place: Place) -> list[Value]:
        """Returns what is known after any of several branches, of which the first is counted."""
        found = []
        for number, branch in enumerate(equation.params["branches"]):
            where = place if number == 0 else place._replace(times=0)
            jaxpr = getattr(branch, "jaxpr", branch)
            found.append(self.follow(jaxpr, getattr(branch, "consts", ()), values[1:], where))
        choice = values[0].reach
        ranks = [len(shape_of(variable)) for variable in equation.outvars]
        outputs = zip(ranks, *found, strict=True)
        if choice is not None:
            return [Value(UNKNOWN)] * len(ranks)
        return [Value(merged([each.reach for each in several], rank)) for rank, *several in outputs]

    def _loop(self, equation: JaxprEqn, values: Sequence[Value], place: Place) -> list[Value]:
        """Returns what is known after a loop: each turn is followed, until a turn changes nothing."""
        jaxpr = inner_jaxprs(equation)[0]
        constants = _constants_of(equation)
        alike, number = loop_inputs(equation)
        turns, first = int(equation.params["length"]), alike + number
        fixed, carry, rows = values[:alike], list(values[alike:first]), values[first:]
        rows = [Value(_without_turns(row.reach)) for row in rows]
        stacked: list[Reach] = [None] * (len(equation.outvars) - number)
        for turn in range(turns):
            where = place._replace(times=place.times * turns if turn == 0 else 0)
            outputs = self.follow(jaxpr, constants, [*fixed, *(Value(each.reach) for each in carry), *rows], where)
            stacked = [
                merged([old, new.reach], len(shape_of(variable)))
                for old, new, variable in zip(stacked, outputs[number:], jaxpr.outvars[number:], strict=True)
            ]
            unchanged = all(_same(old.reach, new.reach) for old, new in zip(carry, outputs, strict=False))
            carry = list(outputs[:number])
            if unchanged:
                break
        return [*(Value(each.reach) for each in carry), *(Value(_with_turns(reach)) for reach in stacked)]


_WITH_FUNCTIONS = {"argmax", "argmin", "reduce", "reduce_window", "scatter", "scatter-add", "scatter_add"}
"""Primitives whose jaxpr is a function of two numbers, and no part of the net."""


def _constants_of(equation: JaxprEqn) -> Sequence[Any]:
    """Returns the constants of the one jaxpr inside an operation."""
    closed = [value for value in equation.params.values() if hasattr(getattr(value, "jaxpr", value), "eqns")]
    return getattr(closed[0], "consts", ())


def _constant(value: Any) -> Value:
    return Value(None, functools.partial(np.asarray, value))


def _computed(equation: JaxprEqn, values: Sequence[Value]) -> list[Callable[[], np.ndarray] | None]:
    """Returns what computes each output of an operation on known values."""
    inputs = [value.known for value in values]
    if None in inputs:
        return [None] * len(equation.outvars)

    @functools.cache
    def outputs() -> Sequence[Any]:
        found = equation.primitive.bind(*(known() for known in inputs if known is not None), **equation.params)
        return found if equation.primitive.multiple_results else [found]

    return [functools.partial(_output, outputs, number) for number in range(len(equation.outvars))]


def _output(outputs: Callable[[], Sequence[Any]], number: int) -> np.ndarray:
    return np.asarray(outputs()[number])


def _without_turns(reach: Reach) -> Reach:
    """Returns the field of each turn's part of an array whose first axis is the turns of a loop."""
    if reach is None or isinstance(reach, str):
        return reach
    if any(0 in side.axes or side.first.shape[0] > 1 for side in reach):
        return UNKNOWN
    return both(lambda side: field.dropped(side, [0]), reach)


def _with_turns(reach: Reach) -> Reach:
    if reach is None or isinstance(reach, str):
        return reach
    return tuple(  # type: ignore[return-value]
        side._replace(
            first=side.first[None], last=side.last[None], axes={axis + 1: step for axis, step in side.axes.items()}
        )
        for side in reach
    )


def _same(old: Reach, new: Reach) -> bool:
    if old is None or new is None or isinstance(old, str) or isinstance(new, str):
        return old is new or old == new
    return all(
        np.array_equal(a.first, b.first) and np.array_equal(a.last, b.last) and a.axes == b.axes
        for a, b in zip(old, new, strict=True)
    )

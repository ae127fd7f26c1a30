"""How a net goes on from a map: what of it reaches the logits, and the last map that all of that goes through."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from jax.extend.core import Jaxpr, JaxprEqn, Literal

from jaxcnn.analysis.reach import shape_of
from jaxcnn.analysis.trace import inner_jaxprs
from jaxcnn.analysis.values import name_of
from jaxcnn.pictures.rectifiers import CALLS


class Onward(NamedTuple):
    """The last map on the way from a map to the logits."""

    value: Any
    """A variable of the jaxpr."""
    name: str
    """Of what gave it, as "relu" or "sum"; "map" if that has no name; "" if it is the map itself."""


_JOINS = {"add": "sum", "add_any": "sum", "concatenate": "concatenation"}
"""Operations by which branches meet."""
_SAME = {"convert_element_type", "copy", "name"}
"""Operations that keep the name of a map."""


def last_map(jaxpr: Jaxpr, variable: Any) -> Onward | None:
    """Returns the last map of as many cells that the whole way from a map to the logits goes through.

    Behind a convolution it is what its norm and its rectifier give, behind a branch the sum or concatenation with the
    others. It lies before what changes the cells, as a pooling or a flattening.

    Args:
        jaxpr: whose first result is the logits.
        variable: a map of it, (batch, rows, columns, channels).

    Returns:
        None if the logits do not come from the map.
    """
    found, cells = Onward(variable, ""), shape_of(variable)[:3]
    way = _way(jaxpr, variable)
    if not way:
        return None
    last_read = {each: number for number, equation in enumerate(way) for each in _read(equation)}
    last_read[jaxpr.outvars[0]] = len(way)
    open_until = last_read[variable]
    for number, equation in enumerate(way):
        given = [each for each in equation.outvars if each in last_read]
        shape = shape_of(given[0])
        alone = open_until <= number and len(given) == 1  # whatever came before is read by now, and gave only this
        if alone and len(shape) == 4 and shape[:3] == cells:
            found = Onward(given[0], _name(equation, found.name))
        open_until = max([open_until, *(last_read[each] for each in given)])
    return found


def returned(jaxpr: Jaxpr, variable: Any) -> Any:
    """Returns the variable that the rest of a net reads of a value that was captured.

    It is another one if the value was captured inside a module that is called as a whole, as by `nn.remat`, whose
    output it is.
    """
    for equation in jaxpr.eqns:
        if variable in equation.outvars and equation.primitive.name in CALLS:
            inner = inner_jaxprs(equation)[0].outvars
            own = inner[equation.outvars.index(variable)]
            alike = [outer for outer, each in zip(equation.outvars, inner, strict=True) if each is own]
            return next((each for each in alike if _way(jaxpr, each)), variable)
    return variable


def _way(jaxpr: Jaxpr, variable: Any) -> list[JaxprEqn]:
    """Returns the operations on the way from a variable to the first result, in their order."""
    reached, behind = {variable}, []
    for equation in jaxpr.eqns:
        if not reached.isdisjoint(_read(equation)):
            reached.update(equation.outvars)
            behind.append(equation)
    needed, found = {jaxpr.outvars[0]}, []
    for equation in reversed(behind):
        if not needed.isdisjoint(equation.outvars):
            needed.update(_read(equation))
            found.append(equation)
    return found[::-1]


def _read(equation: JaxprEqn) -> Iterator[Any]:
    return (each for each in equation.invars if not isinstance(each, Literal))


def _name(equation: JaxprEqn, before: str) -> str:
    primitive = equation.primitive.name
    return before if primitive in _SAME else _JOINS.get(primitive) or name_of(equation) or "map"

"""Other gradients of rectifiers, put into a net from outside.

A net is traced, and the operations of its jaxpr are evaluated one by one, with other gradients of those that are
rectifiers by their name. So it works for every net, wherever it calls `jax.nn.relu`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Jaxpr, JaxprEqn, Literal

from jaxcnn.analysis.trace import inner_jaxprs, loop_inputs
from jaxcnn.types import Array

RECTIFIERS = frozenset({"celu", "elu", "hard_silu", "leaky_relu", "mish", "relu", "relu6", "selu", "silu", "softplus"})
"""Names of the functions of `jax.nn` that pass what is positive, and nothing or little of what is negative."""
_WHOLE = frozenset({"hard_sigmoid", "hard_tanh"})
"""Functions with a rectifier in them that are none."""
CALLS = frozenset({"jit", "custom_jvp_call", "remat2", "checkpoint"})
"""Primitives that do nothing but call a jaxpr."""
_LOOP = "scan"

Rule = Callable[[Callable[[Array], Array], Array, Array], Array]
"""(rectifier, its input, gradient of its output) -> what is passed on as the gradient of the input."""


def guided(rectifier: Callable[[Array], Array], x: Array, gradient: Array) -> Array:
    """Passes on positive gradients where the input was positive (Springenberg et al., arXiv:1412.6806, figure 1)."""
    return jax.vjp(rectifier, x)[1](jnp.maximum(gradient, 0))[0]


def deconvolution(rectifier: Callable[[Array], Array], x: Array, gradient: Array) -> Array:  # noqa: ARG001
    """Passes on positive gradients, whatever the input was (Zeiler and Fergus, arXiv:1311.2901, section 2.1)."""
    return jnp.maximum(gradient, 0)


def evaluate(
    traced: Any, operands: Sequence[Any], rule: Rule | None = None, added: Mapping[Any, Array] | None = None
) -> list[Any]:
    """Returns the results of a traced function.

    Args:
        traced: a closed jaxpr.
        operands: values of its inputs.
        rule: of its rectifiers; None leaves them as they are.
        added: what is added to variables of the jaxpr, before anything reads them.
    """
    jaxpr, added = getattr(traced, "jaxpr", traced), added or {}
    constants = getattr(traced, "consts", ())
    values: dict[Any, Any] = {}

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, Literal) else values[atom]

    def write(variables: Sequence[Any], found: Sequence[Any]) -> None:
        for variable, value in zip(variables, found, strict=True):
            values[variable] = value + added[variable] if variable in added else value

    write((*jaxpr.constvars, *jaxpr.invars), (*constants, *operands))
    for equation in jaxpr.eqns:
        write(equation.outvars, _computed(equation, [read(atom) for atom in equation.invars], rule))
    return [read(atom) for atom in jaxpr.outvars]


def rectifiers(jaxpr: Jaxpr) -> int:
    """Returns the number of rectifiers whose gradient a rule changes."""
    return sum(
        1 if _is_rectifier(equation) else sum(map(rectifiers, inner_jaxprs(equation)))
        for equation in jaxpr.eqns
        if _name(equation) not in _WHOLE and equation.primitive.name in (*CALLS, _LOOP)
    )


def rectifier_behind(jaxpr: Jaxpr, variable: Any) -> str:
    """Returns the name of the first rectifier that reads a variable of a jaxpr; "" if none does."""
    for equation in jaxpr.eqns:
        places = [place for place, each in enumerate(equation.invars) if each is variable]
        if places and _is_rectifier(equation):
            return _name(equation)
        if equation.primitive.name in CALLS and _name(equation) not in _WHOLE:
            inner = inner_jaxprs(equation)[0]
            for place in places:
                if found := rectifier_behind(inner, inner.invars[place]):
                    return found
    return ""


def _computed(equation: JaxprEqn, operands: Sequence[Any], rule: Rule | None) -> Sequence[Any]:
    if rule is not None and _is_rectifier(equation):
        return [_ruled(equation, rule)(*operands)]
    if rule is not None and _name(equation) not in _WHOLE and any(map(rectifiers, inner_jaxprs(equation))):
        if equation.primitive.name in CALLS:
            return evaluate(_inner(equation), operands, rule)
        if equation.primitive.name == _LOOP:
            return _loop(equation, operands, rule)
    return _bound(equation, operands)


def _bound(equation: JaxprEqn, operands: Sequence[Any]) -> Sequence[Any]:
    with equation.ctx.manager:
        found = equation.primitive.bind(*operands, **equation.primitive.get_bind_params(equation.params))
    return found if equation.primitive.multiple_results else [found]


def _ruled(equation: JaxprEqn, rule: Rule) -> Callable[[Array], Array]:
    """Returns a rectifier with another gradient."""

    def plain(x: Array) -> Array:
        return _bound(equation, [x])[0]

    found = jax.custom_vjp(plain)
    found.defvjp(lambda x: (plain(x), x), lambda x, gradient: (rule(plain, x, gradient),))
    return found


def _loop(equation: JaxprEqn, operands: Sequence[Any], rule: Rule) -> Sequence[Any]:
    """Returns the results of a loop, in each turn of which rectifiers have another gradient."""
    fixed, carried = loop_inputs(equation)
    constants, carry, rows = operands[:fixed], operands[fixed : fixed + carried], operands[fixed + carried :]

    def turn(carry: Any, row: Any) -> tuple[list[Any], list[Any]]:
        found = evaluate(_inner(equation), [*constants, *carry, *row], rule)
        return found[:carried], found[carried:]

    length, reverse = equation.params["length"], equation.params.get("reverse", False)
    end, stacked = lax.scan(turn, list(carry), list(rows), length=length, reverse=reverse)
    return [*end, *stacked]


def _is_rectifier(equation: JaxprEqn) -> bool:
    return _name(equation) in RECTIFIERS and len(equation.invars) == len(equation.outvars) == 1


def _name(equation: JaxprEqn) -> str:
    """Returns the name of the function that an operation calls; "" of one that calls none by name."""
    return equation.params.get("name", "") if equation.primitive.name == "jit" else ""


def _inner(equation: JaxprEqn) -> Any:
    """Returns what an operation calls, as a closed jaxpr."""
    return next(equation.params[key] for key in ("call_jaxpr", "jaxpr") if key in equation.params)

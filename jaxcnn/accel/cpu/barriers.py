"""Makes XLA on a CPU compute the values of an optimization barrier, and the stages of a batch, once.

XLA on a CPU fuses an operation into every operation that reads it, and then computes it again for each neighbour,
channel or sum that they read. `lax.optimization_barrier` does not prevent this, since XLA removes it before it fuses. A
chain of five augmentations then takes ten times as long. Here the values of barriers, and the results of stages, pass
through conditionals (`jaxcnn.accel.cpu.once`), across which XLA fuses nothing.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Jaxpr, JaxprEqn, Literal

from jaxcnn.accel.cpu.once import stored
from jaxcnn.analysis.trace import inner_jaxprs
from jaxcnn.augment.stage import STAGE
from jaxcnn.types import Array

_CALL, _BARRIER = "jit", "optimization_barrier"


def hold_barriers(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns the function, with optimization barriers and stages that XLA on a CPU does not fuse across.

    Barriers in the bodies of loops and conditionals do not change.

    Args:
        function: of trees of arrays, which returns a tree of arrays. Arguments by keyword are not traced.
    """

    @functools.wraps(function)
    def held(*args: Any, **settings: Any) -> Any:
        trace = jax.make_jaxpr(functools.partial(function, **settings), return_shape=True)
        traced, shapes = trace(*args)
        found = _evaluate(traced, jax.tree.leaves(args))
        return jax.tree.unflatten(jax.tree.structure(shapes), found)

    return held


def _evaluate(traced: Any, operands: Sequence[Any]) -> list[Any]:
    """Returns the results of a traced function, a closed jaxpr."""
    jaxpr: Jaxpr = traced.jaxpr
    values: dict[Any, Any] = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*traced.consts, *operands), strict=True))

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, Literal) else values[atom]

    alone: set[Any] = set()
    """Results of stages: they are stored already, and a barrier behind a stage has nothing left to do."""
    for equation in jaxpr.eqns:
        given = [read(atom) for atom in equation.invars]
        if equation.primitive.name == _BARRIER:
            found: Sequence[Any] = [
                x if atom in alone else stored(x) for atom, x in zip(equation.invars, given, strict=True)
            ]
        else:
            found = _computed(equation, given)
        values.update(zip(equation.outvars, found, strict=True))
        if _is_stage(equation):
            alone.update(equation.outvars)
    return [read(atom) for atom in jaxpr.outvars]


def _computed(equation: JaxprEqn, operands: Sequence[Any]) -> Sequence[Any]:
    """Returns the results of an operation other than a barrier."""
    if _is_stage(equation):
        return _alone(equation.params["jaxpr"], operands)
    if equation.primitive.name == _CALL and any(map(_has_barriers, inner_jaxprs(equation))):
        return _evaluate(equation.params["jaxpr"], operands)
    with equation.ctx.manager:
        found = equation.primitive.bind(*operands, **equation.primitive.get_bind_params(equation.params))
    return found if equation.primitive.multiple_results else [found]


def _alone(traced: Any, operands: Sequence[Any]) -> list[Any]:
    """Returns the results of a stage, a closed jaxpr, as a branch of a conditional: no array is copied."""
    always = lax.optimization_barrier(jnp.ones((), bool))
    run = functools.partial(_evaluate, traced)
    return lax.cond(always, run, lambda _: [_zeros(leaf) for leaf in traced.out_avals], list(operands))


def _zeros(like: Any) -> Array:
    """Returns zeros like `like`, an abstract value: of its shape and dtype, varying over the same `shard_map` axes."""
    zeros, axes = jnp.zeros(like.shape, like.dtype), tuple(like.manual_axis_type.varying)
    return lax.pcast(zeros, axes, to="varying") if axes else zeros


def _is_stage(equation: JaxprEqn) -> bool:
    return equation.primitive.name == _CALL and equation.params["name"] == STAGE


def _has_barriers(jaxpr: Jaxpr) -> bool:
    return any(
        equation.primitive.name == _BARRIER or _is_stage(equation) or any(map(_has_barriers, inner_jaxprs(equation)))
        for equation in jaxpr.eqns
    )

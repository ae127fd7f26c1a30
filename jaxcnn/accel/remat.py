"""Rematerialisation: blocks keep only their input for the gradient, which saves memory and takes time."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.core import lift
from flax.linen.transforms import lift_direct_transform
from jax import lax
from jax.extend.core import jaxpr_as_fun

from jaxcnn.errors import UserError
from jaxcnn.types import ApplyFn, Variables


def rematerialize(apply_fn: ApplyFn) -> ApplyFn:
    """Returns `model.apply` with a gradient that computes each block again, instead of keeping its intermediate values.

    Chen et al. 2016 (arXiv:1604.06174). For blocks see `blocks_of`; in a stage that runs in a loop, each turn is a
    block. Variables, random numbers and results are those of `apply_fn`. For finite values the gradient is equal to
    rounding. It is differentiable in reverse mode only. Flax calls a block inside itself, so that
    `capture_intermediates` records it twice.

    Args:
        apply_fn: `model.apply`, or a function that is called like it: `(variables, image, **settings)`.

    Raises:
        UserError: when the returned function is called, if the net has no blocks.
    """

    def apply(variables: Variables, *args: Any, **settings: Any) -> Any:
        with nn.intercept_methods(_Blocks(blocks_of(variables["params"]))):
            return apply_fn(variables, *args, **settings)

    return apply


def blocks_of(params: Mapping[str, Any]) -> list[str]:
    """Returns the names of a net's blocks: its direct submodules that have submodules with `params`.

    Raises:
        UserError: if there are none.
    """
    modules = [(name, inner) for name, inner in params.items() if isinstance(inner, Mapping)]
    names = [name for name, inner in modules if any(isinstance(value, Mapping) for value in inner.values())]
    if not names:
        raise UserError("remat computes blocks of several layers again, and this net has none: leave it False")
    return names


class _Blocks:
    """An interceptor of module methods: it rematerialises the calls of the blocks with the given names."""

    def __init__(self, names: list[str]) -> None:
        self.paths = [(name,) for name in names]
        self.inside = False

    def __call__(self, run: Callable[..., Any], args: Any, kwargs: Any, context: Any) -> Any:
        module = context.module
        if self.inside or context.method_name != "__call__" or module.path not in self.paths:
            return run(*args, **kwargs)
        self.inside = True
        try:
            call = functools.partial(_call, args, kwargs)
            return lift_direct_transform(_forget, (call,), module, *filter(_is_array, args))
        finally:
            self.inside = False


def _is_array(value: Any) -> bool:
    return isinstance(value, jax.Array | np.ndarray)


def _call(given: Sequence[Any], settings: Mapping[str, Any], block: Any, *arrays: Any) -> Any:
    """Calls a block with its original arguments, in which `arrays` replace the arrays."""
    rest = iter(arrays)
    return block(*(next(rest) if _is_array(value) else value for value in given), **settings)


def _forget(block: Callable[..., Any], scope: Any, *arrays: Any) -> Any:
    """Returns `block(scope, *arrays)`, which is computed again for its gradient; `scope` is a flax scope.

    It is `flax.core.lift.checkpoint` with `_computed_again` instead of `jax.checkpoint`.
    """

    def inner(scope_fn: Any, repack_fn: Any, variables: Any, rngs: Any, *arrays: Any) -> Any:
        def pure(rngs: Any, variables: Any, arrays: Any) -> Any:
            scope = scope_fn(variables, rngs)
            return block(scope, *arrays), repack_fn(scope)

        return _computed_again(pure, rngs, variables, arrays)

    return lift.pack(inner, (True,), (True,), (True,), name="remat")(scope, *arrays)


def _computed_again(function: Callable[..., Any], rngs: Any, variables: Any, arrays: Any) -> Any:
    """Returns `function(rngs, variables, arrays)`, and keeps only these three for its gradient.

    `jax.checkpoint` relies on optimization barriers. XLA on a CPU removes them before it merges equal computations, and
    so would keep all intermediate values. Here the second computation depends on the cotangent, so that the two are not
    equal for XLA.

    Args:
        function: pure.
        rngs: keys.
        variables: collections of arrays.
        arrays: other arguments.
    """
    traced, shapes = jax.make_jaxpr(function, return_shape=True)(rngs, variables, arrays)  # once: flax counts draws
    run = jaxpr_as_fun(traced)

    def again(*inputs: Any) -> Any:
        return jax.tree.unflatten(jax.tree.structure(shapes), run(*jax.tree.leaves(inputs)))

    def backward(kept: Any, cotangent: Any) -> Any:
        rngs, variables, arrays = kept
        arrays, cotangent = lax.platform_dependent(arrays, cotangent, cpu=_after, default=_behind)
        return None, *jax.vjp(functools.partial(again, rngs), variables, arrays)[1](cotangent)

    forgetful = jax.custom_vjp(again)
    forgetful.defvjp(lambda *inputs: (again(*inputs), inputs), backward)
    return forgetful(rngs, variables, arrays)


def _after(arrays: Any, cotangent: Any) -> Any:
    """Returns both. It adds a zero to the arrays that depends on the cotangent in a way that XLA cannot see through."""
    first = jax.tree.leaves(cotangent)[0].ravel()[0]
    zero = jnp.minimum(jnp.square(first), jnp.zeros_like(first))
    return jax.tree.map(lambda array: array + zero.astype(array.dtype), arrays), cotangent


def _behind(*values: Any) -> Any:
    return lax.optimization_barrier(values)

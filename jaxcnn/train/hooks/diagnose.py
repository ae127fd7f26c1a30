"""Finds where a number that is not finite comes from: it computes the step layer by layer."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn.layers.variables import loop_of
from jaxcnn.train.parts.losses import LossFn
from jaxcnn.types import ApplyFn, Array, Batch, Variables


def first_nonfinite(apply_fn: ApplyFn, loss_fn: LossFn, variables: Variables, batch: Batch, key: Array) -> str:
    """Returns a text that names the first value in a training step that is not finite.

    In the forward pass that is the image, a parameter, or the first layer with such an output. If all outputs are
    finite, it is a layer with such running statistics, or the loss, or the last layer with such a gradient (gradients
    begin there), or else the update. Outputs inside a loop (`scan`) cannot be seen, so the loop is named together with
    the layer after it.

    Args:
        apply_fn: `model.apply` of the net as the step computes it, on a whole batch.
        loss_fn: of the step.
        variables: `params` and collections before the step.
        batch: of the step.
        key: of the step.
    """
    for kind, tree in (("the image", batch["image"]), ("the parameters", variables["params"])):
        if not _finite(tree):
            return kind
    names: list[str] = []
    kept = [name for name in variables if name != "params"]

    def forward(params: Any) -> tuple[Array, tuple[list[Array | bool], Any]]:
        outputs: list[Array | None] = []
        with nn.intercept_methods(_watch(names, outputs)):
            logits, changed = apply_fn(
                {**variables, "params": params},
                batch["image"],
                train=True,
                mutable=[*kept, "aux_logits"],
                rngs={"params": key, "dropout": key},
            )
        losses = loss_fn(logits, batch["label"])
        finite = [True if output is None else jnp.all(jnp.isfinite(output)) for output in outputs]
        return jnp.mean(losses), (finite, {name: changed[name] for name in kept})

    (loss, (finite, statistics)), gradients = jax.jit(jax.value_and_grad(forward, has_aux=True))(variables["params"])
    for before, name, good in zip(["", *names], names, finite, strict=False):
        if not good:
            loop = loop_of(before.split("/"))
            return f"the output of {loop} or {name}" if loop else f"the output of {name}"
    if bad := [place for tree in statistics.values() for place in _places(tree)]:
        return f"the running statistics of {bad[0]}"
    if not jnp.isfinite(loss):
        return "the loss"
    return _last_gradient(names, gradients)


def _watch(names: list[str], outputs: list[Array | None]) -> Callable[..., Any]:
    """Returns an interceptor that appends every layer's output in the order of computation; None inside a loop."""

    def interceptor(call: Callable[..., Any], args: Any, kwargs: Any, context: Any) -> Any:
        result = call(*args, **kwargs)
        if context.method_name == "__call__" and isinstance(result, jax.Array):
            name = "/".join(context.module.path) or "the net"
            names.append(name)
            outputs.append(None if loop_of(context.module.path) else result)
        return result

    return interceptor


def _last_gradient(names: list[str], gradients: Any) -> str:
    bad = _places(gradients)
    last = next((name for name in reversed(names) if name in bad), None)
    return f"the gradient of {last}" if last else "the update"


def _places(tree: Any) -> list[str]:
    """Returns the paths of the layers whose arrays in a tree are not all finite."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return ["/".join(str(key.key) for key in path[:-1]) for path, leaf in leaves if not _finite(leaf)]


def _finite(tree: Any) -> bool:
    return all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(tree))

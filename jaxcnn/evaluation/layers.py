"""The layers of a net in the order of computation: those that have weights, and the norms. It needs only shapes."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn.analysis.trace import evaluated
from jaxcnn.layers.blocks import ConvNorm
from jaxcnn.layers.means import norm_word
from jaxcnn.layers.variables import STATISTICS
from jaxcnn.types import Variables

_FLAX = (nn.BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.InstanceNorm, nn.RMSNorm)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layer:
    """A module that has parameters of its own, or is a norm."""

    path: str
    kind: str
    """The word of a norm, as "batch", or the class of the module."""
    norm: bool
    running: bool
    """Whether it keeps running statistics."""
    unbiased: bool
    """Whether its running variance divides by n - 1."""


def layers_of(model: nn.Module, variables: Variables, image_shape: tuple[int, int, int]) -> list[Layer]:
    """Returns the layers of a net as it computes in evaluation.

    Args:
        model: any linen module.
        variables: of the net, or their shapes.
        image_shape: (height, width, channels).
    """
    found: dict[str, Layer] = {}

    def note(call: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
        module = context.module
        if context.method_name == "__call__" and module.scope is not None:
            path = "/".join(module.path)
            layer = _layer(model, module, path)
            if layer is not None:
                found.setdefault(path, layer)
        return call(*args, **kwargs)

    image = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), dict(variables))
    with nn.intercept_methods(note):
        jax.eval_shape(lambda variables, image: evaluated(model, variables, image), shapes, image)
    return list(found.values())


def in_order(paths: Sequence[str], layers: Sequence[Layer]) -> list[str]:
    """Returns paths of layers in the order of computation; those that only training runs come last."""
    place = {layer.path: number for number, layer in enumerate(layers)}
    return sorted(paths, key=lambda path: place.get(path, len(place)))


def _layer(model: nn.Module, module: nn.Module, path: str) -> Layer | None:
    own = {name: _own(tree) for name, tree in module.variables.items()}
    norm = _is_norm(model, module, running=bool(own.get(STATISTICS)))
    if not norm and not own.get("params"):
        return None
    return Layer(
        path=path,
        kind=norm_word(module) if norm else type(module).__name__,
        norm=norm,
        running=bool(own.get(STATISTICS)),
        unbiased=bool(getattr(module, "unbiased", False)),
    )


def _own(tree: Any) -> list[str]:
    """Returns the names of the variables of a module itself, without those of modules within it."""
    return [name for name, inner in tree.items() if not isinstance(inner, Mapping)]


def _is_norm(model: nn.Module, module: nn.Module, *, running: bool) -> bool:
    """Returns whether a module is a norm: one of ours or of flax's, the net's own, or what keeps statistics."""
    known = isinstance(module, _FLAX) or callable(getattr(module, "averaged", None))
    chosen = getattr(model, "norm", None)
    return not isinstance(module, ConvNorm) and (known or running or type(module) is getattr(chosen, "func", chosen))

"""Folds batch norms into the layers before them, for inference."""

import functools
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict, unflatten_dict
from jax.ad_checkpoint import checkpoint_name
from jax.extend.core import Jaxpr, Literal

from jaxcnn.analysis.trace import Shape, inner_jaxprs
from jaxcnn.errors import UserError
from jaxcnn.layers.conv import Conv
from jaxcnn.layers.norm import BatchNorm
from jaxcnn.ops.conv import add_bias
from jaxcnn.types import ApplyFn, Array, Variables

Path = tuple[str, ...]
_MADE, _NORMED = "made by ", "normed by "


def fold_batch_norm(apply_fn: ApplyFn, variables: Variables, image_shape: Shape) -> tuple[ApplyFn, Variables]:
    """Returns a net without the batch norms that directly follow a convolution or a dense layer.

    In evaluation such a norm is an affine map of each feature, which is folded into kernel and bias of the layer (Jacob
    et al. 2018, arXiv:1712.05877, section 3.2). Other batch norms do not change: those that follow a sum, a
    concatenation or a pooling, those whose input is also read by other operations, and those of layers or norms that
    are called more than once. Logits and stage outputs are equal to rounding.

    Args:
        apply_fn: `model.apply` of a model made by `create_model`.
        variables: of the model; they are not changed.
        image_shape: (height, width, channels) of the net's images.

    Returns:
        A replacement of `model.apply` in evaluation, `(variables, image, train=False)`, and its variables: the model's,
        without the folded norms, and with a `bias` in each layer with a folded norm.

    Raises:
        UserError: if nothing can be folded. The returned function raises it if called with `train=True`.
    """
    pairs, epsilons = _find(apply_fn, variables, image_shape)
    if not pairs:
        raise UserError("this net has no batch norm right behind a convolution or a dense layer: there is none to fold")
    layers, norms = frozenset(pairs), frozenset(pairs.values())

    def apply(variables: Variables, image: Array, *, train: bool = False, **settings: Any) -> Any:
        if train:
            raise UserError("batch norms that are folded cannot be trained: call with train=False, or train the model")
        with nn.intercept_methods(functools.partial(_pass_by, layers, norms)):
            return apply_fn(variables, image, train=False, **settings)

    return apply, _folded(variables, pairs, epsilons)


def _pass_by(layers: frozenset[Path], norms: frozenset[Path], run: Any, args: Any, kwargs: Any, context: Any) -> Any:
    """Calls a method of a module, without the folded norms, and with a bias in their layers.

    Args:
        layers: paths of the layers with folded norms.
        norms: paths of the folded norms.
        run: the method.
        args: of the call.
        kwargs: of the call.
        context: the interceptor's, with the module.
    """
    module = context.module
    if context.method_name != "__call__" or module.path not in layers | norms:
        return run(*args, **kwargs)
    if module.path in norms:
        return args[0].astype(module.dtype)
    y = run(*args, **kwargs)
    return y if module.use_bias else add_bias(y, module.get_variable("params", "bias").astype(y.dtype))


def _find(apply_fn: ApplyFn, variables: Variables, image_shape: Shape) -> tuple[dict[Path, Path], dict[Path, float]]:
    """Returns the path of the norm that can be folded into a layer, by the layer's path, and the norms' epsilons."""
    paths: dict[str, Path] = {}
    epsilons: dict[Path, float] = {}

    def mark(run: Any, args: Any, kwargs: Any, context: Any) -> Any:
        module = context.module
        label = "/".join(module.path)
        if context.method_name != "__call__" or not isinstance(module, Conv | nn.Dense | BatchNorm):
            return run(*args, **kwargs)
        paths[label] = module.path
        if not isinstance(module, BatchNorm):
            return checkpoint_name(run(*args, **kwargs), _MADE + label)
        epsilons[module.path] = module.epsilon
        return run(checkpoint_name(args[0], _NORMED + label), *args[1:], **kwargs)

    image = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    with nn.intercept_methods(mark):
        evaluate = functools.partial(apply_fn, train=False, mutable=["intermediates"])
        traced = jax.make_jaxpr(evaluate)(variables, image).jaxpr
    calls = Counter(_marks(traced))
    once = [(a, b) for a, b in _pairs(traced) if calls[_MADE + a] == calls[_NORMED + b] == 1]
    return {paths[layer]: paths[norm] for layer, norm in once}, epsilons


def _marks(jaxpr: Jaxpr) -> Iterator[str]:
    """Yields the mark of a layer or norm once for each of its calls."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "name":
            yield equation.params["name"]
        for inner in inner_jaxprs(equation):
            yield from _marks(inner)


def _pairs(jaxpr: Jaxpr) -> Iterator[tuple[str, str]]:
    """Yields the marks (layer, norm) if the layer's output is the input of the norm, and of no other operation."""
    read = [variable for equation in jaxpr.eqns for variable in equation.invars] + list(jaxpr.outvars)
    uses: Counter[Any] = Counter(variable for variable in read if not isinstance(variable, Literal))
    layers: dict[Any, str] = {}
    for equation in jaxpr.eqns:
        label = equation.params["name"] if equation.primitive.name == "name" else ""
        if label.startswith(_MADE):
            layers[equation.outvars[0]] = label.removeprefix(_MADE)
        elif label.startswith(_NORMED) and equation.invars[0] in layers and uses[equation.invars[0]] == 1:
            yield layers[equation.invars[0]], label.removeprefix(_NORMED)
        for inner in inner_jaxprs(equation):
            yield from _pairs(inner)


def _folded(variables: Variables, pairs: Mapping[Path, Path], epsilons: Mapping[Path, float]) -> Variables:
    """Returns the variables with the norms folded into their layers; stacked layers have stacked norms."""
    flat = flatten_dict(variables)
    for layer, norm in pairs.items():
        mean, var = (flat.pop(("batch_stats", *norm, name)) for name in ("mean", "var"))
        scale, shift = (flat.pop(("params", *norm, name)) for name in ("scale", "bias"))
        kernel = flat["params", *layer, "kernel"]
        factor = scale * jax.lax.rsqrt(var + epsilons[norm])
        between = tuple(range(factor.ndim - 1, kernel.ndim - 1))
        before = flat.get(("params", *layer, "bias"), jnp.zeros_like(mean))
        flat["params", *layer, "kernel"] = kernel * jnp.expand_dims(factor, between)
        flat["params", *layer, "bias"] = (before - mean) * factor + shift
    return unflatten_dict(flat)

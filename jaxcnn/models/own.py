"""Nets of a user's own: any linen module that is called as `model(image, train=...)`."""

import inspect
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.errors import InvalidRngError

from jaxcnn.errors import UserError, unknown_word
from jaxcnn.layers.norm_choice import norm_takes
from jaxcnn.layers.variables import streams
from jaxcnn.models.net import Net
from jaxcnn.parts import explained, find_part, parameters_of, part_name
from jaxcnn.types import Array

_FLAX = {"parent", "name"}
"""Fields of every module, which flax sets."""


def own_net(maker: Any, *, num_classes: int, dtype: Any, fields: Mapping[str, Any]) -> nn.Module:
    """Returns what a class or function makes of the fields; a module that is made already, as it is.

    Args:
        maker: of the module.
        num_classes: width of the logits; handed on where `maker` takes it.
        dtype: of the computation; likewise.
        fields: to be handed on.

    Raises:
        UserError: for a field that it does not take, or what is no module called as `model(image, train=...)`.
    """
    model = made_net(maker, num_classes=num_classes, dtype=dtype, fields=fields)
    _check_call(part_name(maker), model)
    return model


def made_net(maker: Any, *, num_classes: int, dtype: Any = jnp.float32, fields: Mapping[str, Any]) -> nn.Module:
    """Returns what `own_net` does, also a module that knows no `train`; arguments and other errors as of `own_net`."""
    name, made = part_name(maker), isinstance(maker, nn.Module)
    taken = {} if made else parameters_of(maker)
    if not _takes_anything(taken):
        check_fields(name, fields, taken)
    if dtype != jnp.float32 and "dtype" not in taken and not made:
        raise UserError(f"model {name} takes no dtype: it cannot be told to compute in {jnp.dtype(dtype).name}")
    offered = {"num_classes": num_classes, "dtype": dtype}
    given = {key: value for key, value in offered.items() if key in taken}
    model = maker if made else _made(name, maker, {**given, **fields})
    if not isinstance(model, nn.Module):
        raise UserError(f"model {name} makes a {type(model).__name__}: it must make a flax.linen.Module")
    return model


def check_fields(name: str, fields: Mapping[str, Any], known: Collection[str]) -> None:
    """Raises `UserError` for a field that the model called `name` does not have, with the nearest of the `known`."""
    own = set(known) - _FLAX
    wrong = next((field for field in fields if field not in own), None)
    if wrong is not None and not own:
        raise UserError(f"model {name} takes no {wrong}: it takes nothing")
    if wrong is not None:
        raise unknown_word(f"field of {name}", wrong, own)


def module_class(path: str) -> type[nn.Module]:
    """Returns the linen module class at a path `package.module:name`.

    Weights are kept for a class and its fields. So whoever hands out a file of weights cannot have a function called.

    Raises:
        UserError: for anything else, a function that makes a module too.
    """
    found = find_part("model", path, {})
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise UserError(f"model {path!r} is no class of linen modules: weights are kept for a class and its fields")
    return found


def check_logits(model: nn.Module, image_shape: tuple[int, int, int], num_classes: int | None = None) -> int:
    """Returns the number of logits that a model maps images (height, width, channels) to.

    It is traced, in evaluation and in training, and nothing is compiled.

    Args:
        model: any.
        image_shape: (height, width, channels).
        num_classes: what that number must be; None: any.

    Raises:
        UserError: for a model that gives anything but logits, or as many as it must.
    """
    images, net = jax.ShapeDtypeStruct((2, *image_shape), jnp.float32), over_axis(model, None)

    def initialize(images: Array) -> Any:
        return net.init(streams(jax.random.key(0)), images, train=False)

    variables = jax.eval_shape(initialize, images)
    width = _check_shape(model, _applied(net, variables, images, train=False), num_classes)
    return _check_shape(model, _applied(net, variables, images, train=True), width)


def _check_shape(model: nn.Module, logits: Any, num_classes: int | None) -> int:
    """Returns the number of logits."""
    found = jax.tree.map(lambda leaf: f"{leaf.dtype}{list(leaf.shape)}", logits)
    width = r"\d+" if num_classes is None else num_classes
    if not (isinstance(found, str) and re.fullmatch(rf"(float32|bfloat16|float16)\[2, {width}\]", found)):
        wanted = "num_classes" if num_classes is None else num_classes
        name = part_name(model)
        raise UserError(f"model {name} maps 2 images to {found}: it must give logits, float32[2, {wanted}]")
    return int(logits.shape[1])


def _applied(model: nn.Module, variables: Any, images: Any, *, train: bool) -> Any:
    """Returns the shapes of what a model returns; raises `UserError` if it cannot be traced.

    As in a run, only training changes collections and has random numbers.
    """
    during: dict[str, Any] = {"mutable": True, "rngs": streams(jax.random.key(0))} if train else {}

    def apply(variables: Any, images: Array) -> Any:
        found = model.apply(variables, images, train=train, **during)
        return found[0] if train else found

    try:
        return jax.eval_shape(apply, variables, images)
    except Exception as error:  # of any kind
        hint = "; random numbers are for training only" if isinstance(error, InvalidRngError) else ""
        raise UserError(f"model {part_name(model)} fails under train={train}: {explained(error)}{hint}") from error


def over_axis(model: nn.Module, axis_name: str | None) -> nn.Module:
    """Returns a model whose norms average over a mapped axis too, that of pmap or shard_map, where they know how.

    A net of ours hands the name to a norm that takes `axis_name`, a user's own has a field of this name.

    Args:
        model: any.
        axis_name: of the axis; None: over none.
    """
    if not knows_axis(model):
        return model
    if isinstance(model, Net):
        return model.clone(norm_options={**model.norm_options, "axis_name": axis_name})
    return model.clone(axis_name=axis_name)


def knows_axis(model: nn.Module) -> bool:
    """Returns whether `over_axis` tells a model what to average over."""
    return norm_takes(model.norm, "axis_name") if isinstance(model, Net) else hasattr(model, "axis_name")


def _made(name: str, maker: Callable[..., Any], fields: Mapping[str, Any]) -> Any:
    try:
        inspect.signature(maker).bind(**fields)
    except TypeError as error:
        raise UserError(f"model {name} cannot be made: {error}; what else it takes goes into model.fields") from None
    except ValueError:  # of some classes that are not Python's no parameters are known
        pass
    return maker(**fields)


def _check_call(name: str, model: nn.Module) -> None:
    taken = parameters_of(type(model).__call__)
    if "train" not in taken and not _takes_anything(taken):
        raise UserError(f"model {name} is called as model(image, train=...): its __call__ must take train")


def _takes_anything(parameters: Mapping[str, inspect.Parameter]) -> bool:
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())

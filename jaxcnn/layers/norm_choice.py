"""Norms by name, by path `package.module:name`, or as a user's linen module class.

A norm is made once for each place in a net. It is given values for those of these fields that it has:

| field | value |
|---|---|
| `name` | its name in the net |
| `scale_init` | the initializer of its scale, if the net sets it: zeros, for `zero_init_last` |
| `dtype` | of the computation |
| `use_running_average`, `deterministic` | True in evaluation |
| `train` | True in training |
| any other | the option of that name, if it is given |

If a field or class attribute `use_bias` is True, the norm adds a learnt bias, and a convolution before it has none.
flax's norms have such a field.
"""

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from flax.core import FrozenDict
from jax.typing import DTypeLike

from jaxcnn.errors import UserError
from jaxcnn.layers.mode import mode
from jaxcnn.layers.norm import (
    BatchNorm,
    ChannelLayerNorm,
    GroupNorm,
    Identity,
    InstanceNorm,
    LayerNorm,
    LocalResponseNorm,
)
from jaxcnn.parts import Part, find_part, parameters_of, part_name
from jaxcnn.ranges import above, check_number
from jaxcnn.types import ModuleDef

NORMS: dict[str, type[nn.Module]] = {
    "batch": BatchNorm,
    "layer": LayerNorm,
    "channel_layer": ChannelLayerNorm,
    "instance": InstanceNorm,
    "group": GroupNorm,
    "local_response": LocalResponseNorm,
    "none": Identity,
}
_BOUND = {"parent", "name", "dtype", "scale_init", "use_running_average", "deterministic", "train"}
"""Fields that the net sets."""
_NEEDED = inspect.Parameter.empty
_NO_OPTIONS: Mapping[str, Any] = FrozenDict()


def norm_takes(norm: Part, field: str) -> bool:
    """Returns whether a norm has a field of this name; raises `UserError` for anything but a norm."""
    return field in parameters_of(_find(norm))


def check_norm(norm: Part, options: Mapping[str, Any]) -> None:
    """Raises `UserError` for anything but a norm, or for options that it does not have or of a wrong kind."""
    known, name = _options_of(norm), part_name(norm)
    strange = [option for option, value in options.items() if value is not None and option not in known]
    if strange and not _takes_anything(norm):
        raise UserError(f"norm {name!r} takes no {', '.join(strange)}; it takes {', '.join(known) or 'no options'}")
    needed = [option for option, default in known.items() if default is _NEEDED and options.get(option) is None]
    if needed and not isinstance(_unwrapped(_find(norm)), type):
        raise UserError(f"norm {name!r} is a function that needs {', '.join(needed)}: give a linen module class")
    if needed:
        raise UserError(f"norm {name!r} needs {', '.join(needed)}, which has no default: set it in norm_options")
    _check_call(name, _unwrapped(_find(norm)))
    epsilon = options.get("epsilon")
    if epsilon is not None:
        check_number(f"the epsilon of norm {name!r}", epsilon, above(0))
    for option, value in options.items():
        kind = _kind(known.get(option))
        if value is not None and kind and _kind(value) != kind:
            raise UserError(f"the {option} of norm {name!r} is {value!r}: it must be {kind}")


def _check_call(name: str, maker: Callable[..., Any]) -> None:
    """Raises `UserError` for a module class whose objects cannot be called as `norm(x)`."""
    if not isinstance(maker, type) or not issubclass(maker, nn.Module):
        return
    try:
        inspect.signature(maker.__call__).bind(None, None)
    except TypeError as error:
        told = "a field `use_running_average`, `deterministic` or `train` tells it whether this is training"
        raise UserError(f"norm {name!r} is called as norm(x): {error}; {told}") from None


@contextlib.contextmanager
def keeping_shapes(norm: Part) -> Iterator[None]:
    """While it is entered, raises `UserError` where a norm returns another shape than that of its input."""
    kind = _unwrapped(_find(norm))

    def check(call: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
        found = call(*args, **kwargs)
        if context.method_name == "__call__" and type(context.module) is kind:
            shapes = [getattr(each, "shape", None) for each in (args[0], found)]
            if shapes[0] != shapes[1]:
                raise UserError(f"norm {part_name(norm)!r} makes {shapes[1]} of {shapes[0]}: it must keep the shape")
        return found

    with nn.intercept_methods(check):
        yield


def shifts(norm: Part, options: Mapping[str, Any] = _NO_OPTIONS) -> bool:
    """Returns whether a norm adds a learnt bias, so that the convolution before it needs none.

    It does if its `use_bias` is True: the option, else the field's default, else the attribute.
    """
    maker = _find(norm)
    field = parameters_of(maker).get("use_bias")
    known = getattr(_unwrapped(maker), "use_bias", False) if field is None else field.default
    value = known if options.get("use_bias") is None else options["use_bias"]
    if not isinstance(value, bool):
        raise UserError(f"use_bias of norm {part_name(norm)!r} is {value!r}: it must be True or False")
    return value


def norm_options(norm: Part, options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns every option of a norm, with its value in `options` or else its default."""
    given = {option: value for option, value in options.items() if value is not None}
    return {**_options_of(norm), **given}


def make_norm(
    norm: Part, *, train: bool, dtype: DTypeLike = jnp.float32, options: Mapping[str, Any] | None = None
) -> ModuleDef:
    """Returns a constructor of a norm, `norm(name=...)` or `norm(name=..., scale_init=...)` if it has that field.

    Args:
        norm: a name in `NORMS`, a path, or a linen module class.
        train: whether batch norm uses the batch's statistics and updates the running ones.
        dtype: of the result.
        options: fields of the norm; one that is None is left out.

    Raises:
        UserError: for anything but a norm, or an option that it does not have.
    """
    check_norm(norm, options or {})
    maker = _find(norm)
    told = {"dtype": dtype, **mode(train=train)}
    fields = {field: value for field, value in told.items() if field in parameters_of(maker)}
    fields |= {option: value for option, value in (options or {}).items() if value is not None}
    return functools.partial(maker, **fields)


def _find(norm: Part) -> Callable[..., nn.Module]:
    maker = find_part("norm", norm, NORMS)
    if isinstance(maker, nn.Module):
        raise UserError(f"norm is a {type(maker).__name__} that is made already: give its class, or a partial of it")
    return maker


def _unwrapped(maker: Callable[..., Any]) -> Callable[..., Any]:
    return _unwrapped(maker.func) if isinstance(maker, functools.partial) else maker


def _options_of(norm: Part) -> dict[str, Any]:
    """Returns the names of a norm's options and their defaults; `_NEEDED` for none."""
    found = parameters_of(_find(norm)).items()
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {name: field.default for name, field in found if name not in _BOUND and field.kind not in variadic}


def _takes_anything(norm: Part) -> bool:
    return any(field.kind is field.VAR_KEYWORD for field in parameters_of(_find(norm)).values())


def _kind(value: Any) -> str:
    """Returns the kind of a value for messages, or "" if any kind is allowed."""
    kinds = {bool: "True or False", int: "a number", float: "a number", str: "a text"}
    return kinds.get(type(value), "")

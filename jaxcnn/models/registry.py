"""Makes models by name."""

import bisect
import contextlib
import dataclasses
import fnmatch
import functools
import importlib
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn.errors import UserError, check_word
from jaxcnn.layers.activation import make_activation
from jaxcnn.layers.norm_choice import check_norm, keeping_shapes
from jaxcnn.layers.variables import abstract_variables
from jaxcnn.models.net import Net
from jaxcnn.models.own import check_fields, own_net
from jaxcnn.models.variant import Variant
from jaxcnn.parts import Part, explained, find_part
from jaxcnn.ranges import at_least, below, check_number, check_whole

FAMILIES = (
    "alexnet",
    "densenet",
    "efficientnet",
    "googlenet",
    "highway",
    "inception_v2",
    "inception_v3",
    "inception_v4",
    "lenet",
    "mlp",
    "mobilenet_v1",
    "mobilenet_v2",
    "mobilenet_v3",
    "nasnet",
    "plain",
    "preact_resnet",
    "resnet",
    "resnext",
    "senet",
    "shufflenet_v1",
    "shufflenet_v2",
    "squeezenet",
    "vgg",
    "wide_resnet",
    "xception",
)
"""Files of this folder, each with its `VARIANTS`, and its `IDEA`: what the family brought, in a sentence."""
_WORDS = {"norm", "norm_options", "act", "stem", "dropout_rate"}
"""Fields of every net for which None means what the paper says."""
STEMS = ("imagenet", "small")
_LARGE = 512
"""Image size in pixels that is large enough for every net."""


def file_of(family: str) -> ModuleType:
    """Returns the module of a family."""
    return importlib.import_module(f"jaxcnn.models.{family}")


def _union(families: Sequence[str]) -> dict[str, Variant]:
    union: dict[str, Variant] = {}
    for family in families:
        variants = file_of(family).VARIANTS
        twice = union.keys() & variants.keys()
        if twice:
            raise ValueError(f"{family} defines {sorted(twice)} again")
        union |= variants
    return union


MODELS: Mapping[str, Variant] = _union(FAMILIES)


def family_of(name: str) -> str:
    """Returns the family, of `FAMILIES`, of a model of ours; raises `UserError` for an unknown name."""
    check_word("model", name, MODELS)
    return next(family for family in FAMILIES if name in file_of(family).VARIANTS)


def list_models(pattern: str = "*") -> list[str]:
    """Returns the names that match a shell `pattern`, sorted: `list_models("resnet*")`."""
    return sorted(fnmatch.filter(MODELS, pattern))


def model_variant(name: str) -> Variant:
    """Returns the facts about the model `name`; raises `UserError` for an unknown name."""
    check_word("model", name, MODELS)
    return MODELS[name]


def create_model(
    name: Part,
    *,
    num_classes: int,
    norm: Part | None = None,
    norm_options: Mapping[str, Any] | None = None,
    act: Part | None = None,
    stem: str | None = None,
    dtype: Any = jnp.float32,
    dropout_rate: float | None = None,
    **fields: Any,
) -> nn.Module:
    """Returns the model `name`; None means what the paper says.

    `model.apply(variables, image, train=False)` maps a whitened float image (batch, height, width, channels) to float32
    logits (batch, num_classes). `train=True` needs `mutable=["batch_stats"]` if a norm keeps statistics, and
    `rngs={"dropout": key}` if there is dropout. Stage outputs are sown into `intermediates`.

    Args:
        name: one of `list_models()`; or a path `package.module:name` to, or itself, a linen module class or a function
            that returns a module, called as `model(image, train=...)`. That is made with `num_classes` and `dtype`,
            where it takes them, and with what is given of the others.
        num_classes: width of the logits.
        norm: word of jaxcnn.layers.norm_choice, path, or linen module class; in a net that has none in its paper it
            follows each convolution.
        norm_options: options of that norm, such as `{"epsilon": 1e-3}`.
        act: word of jaxcnn.layers.activation, path, function of an array, or linen module class.
        stem: "imagenet" as in the paper, or "small" for images of 28-64 px: 3x3, stride 1, no pooling.
        dtype: of the computation; parameters and statistics stay float32.
        dropout_rate: probability of dropping a feature before the classifier, or where the paper has dropout.
        **fields: further fields of the family's class.

    Raises:
        UserError: for an unknown name or field. The message names the nearest known one.
    """
    fields |= {"norm": norm, "norm_options": norm_options, "act": act, "stem": stem, "dropout_rate": dropout_rate}
    if isinstance(name, str) and ":" not in name:
        return create_net(name, num_classes=num_classes, dtype=dtype, **fields)
    fields = _checked(num_classes, fields)
    return own_net(find_part("model", name, {}), num_classes=num_classes, dtype=dtype, fields=fields)


def create_net(name: str, *, num_classes: int, dtype: Any = jnp.float32, **fields: Any) -> Net:
    """Returns the net of ours called `name`; arguments and errors as of `create_model`."""
    variant = model_variant(name)
    fields = _checked(num_classes, fields)
    maker: Any = getattr(variant.constructor, "func", variant.constructor)
    check_fields(name, fields, {field.name for field in dataclasses.fields(maker)})
    model = variant.constructor(num_classes=num_classes, dtype=dtype, **fields)
    check_norm(model.norm, model.norm_options)
    return model


def _checked(num_classes: Any, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields that are not None; raises `UserError` for a value that no net can have."""
    fields = {key: value for key, value in fields.items() if value is not None or key not in _WORDS}
    rate, options = fields.get("dropout_rate", 0.0), fields.get("norm_options", {})
    check_whole("num_classes", num_classes, at_least(1))
    check_number("dropout_rate", rate, below(1))
    if not isinstance(options, Mapping):
        raise UserError(f"norm_options must map names to values, as {{'epsilon': 1e-3}}, not {options!r}")
    if "stem" in fields:
        check_word("stem", fields["stem"], STEMS)
    if "act" in fields:
        make_activation(fields["act"])
    return fields


def model_image_size(name: Part) -> int:
    """Returns the side, in pixels, of the images that the model called `name` is made for; 224 of a user's own."""
    return MODELS[name].image_size if isinstance(name, str) and name in MODELS else 224


def check_image_size(model: nn.Module, image_shape: tuple[int, int, int]) -> None:
    """Raises `UserError` for an image (height, width, channels) that is too small for `model`. Nothing is compiled.

    The message names the smallest square image that works. If a large image fails too, the message says why.
    """
    try:
        _check_shapes(model, image_shape)
    except UserError as error:
        said = str(error)  # without the notes that jax adds to an exception
    else:
        return
    height, width, channels = image_shape
    if not _passes(model, _LARGE, channels):
        raise UserError(said)
    smallest = _first_that_works(model, min(height, width) + 1, channels)
    hint = f"the smallest image that works is {smallest}x{smallest}"
    raise UserError(f"an image of {height}x{width} does not pass: {said}; {hint}")


def _first_that_works(model: nn.Module, start: int, channels: int) -> int:
    """Returns the smallest side of a square image, from `start` on, that works. It is usually near `start`."""
    works = functools.partial(_passes, model, channels=channels)
    reach = 1
    while not works(start + reach - 1):
        reach *= 2
    untried = range(start + reach // 2, start + reach - 1)
    return untried.start + bisect.bisect_left(untried, True, key=works)


def _passes(model: nn.Module, size: int, channels: int) -> bool:
    """Returns whether a square image of this size passes."""
    try:
        _check_shapes(model, (size, size, channels))
    except UserError:
        return False
    return True


def _check_shapes(model: nn.Module, image_shape: tuple[int, int, int]) -> None:
    """Raises `UserError` for an image that some layer cannot take, or of which it would make an empty array."""
    checked = keeping_shapes(model.norm) if isinstance(model, Net) else contextlib.nullcontext()
    try:
        with checked:
            variables = abstract_variables(model, image_shape)
        empty = [leaf.shape for leaf in jax.tree.leaves(variables) if min(leaf.shape, default=1) < 1]
        if empty:
            raise ValueError(f"an array would have the shape {empty[0]}")
    except UserError:
        raise
    except Exception as error:  # a field of a wrong type can raise any kind
        raise UserError(f"{type(model).__name__} cannot be built with these fields: {explained(error)}") from error

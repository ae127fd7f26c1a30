"""Weights of a module of a user's own: arrays by the paths of flax, as `params/Conv_0/kernel`, made by anyone."""

import dataclasses
from collections import Counter
from collections.abc import Mapping
from inspect import Parameter
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np

from jaxcnn.errors import UserError, nearest
from jaxcnn.interop.importing import Found
from jaxcnn.interop.own_file import own_card
from jaxcnn.interop.preprocessing import check_statistics, given_over, read_class_names, whole_images
from jaxcnn.interop.reference import is_float
from jaxcnn.interop.state_dict import read_file
from jaxcnn.interop.told import Told
from jaxcnn.interop.torch import Imported, WrongWeightsError
from jaxcnn.interop.weights import expected_variables, make_net
from jaxcnn.layers.variables import by_path, replaced
from jaxcnn.models import check_logits, module_class
from jaxcnn.parts import parameters_of
from jaxcnn.ranges import at_least, check_whole

_NEAR = 8
"""Unexpected names for which the nearest one is looked up."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """What was said of a module and its images. What is None or left out has to be told by the file."""

    fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Of the module, with `num_classes` if that was said."""
    image_size: int | None = None
    """Side of square images in pixels."""
    channels: int | None = None
    classes: Path | None = None
    """A file of class names."""
    mean: list[float] | None = None
    std: list[float] | None = None


def read_module(path: str, file: Path, asked: Asked) -> Found:
    """Returns the weights of a module in a file, with what predicting needs besides.

    Args:
        path: of a linen module class, `package.module:Net`, called as `model(image, train=...)`.
        file: safetensors or .npz, whose names are the module's paths. Of a file that `jaxcnn export` wrote its card is
            read, too.
        asked: what was said besides.

    Raises:
        WrongWeightsError: for arrays that are missing, unexpected, of another shape or kind, or not finite.
        UserError: for a path, field or file that cannot be used, or where something is not known.
    """
    maker = module_class(path)
    told, remarks = _told(path, maker, file)
    arrays = _arrays(file)
    shape, fields = _stated(path, maker, file, told, asked)
    model = _made(path, maker, fields)
    expected = expected_variables(model, shape)
    num_classes = check_logits(model, shape, fields.get("num_classes"))
    class_names = read_class_names(asked.classes, num_classes) if asked.classes else None
    statistics = check_statistics(asked.mean, asked.std, shape[2])
    known = given_over(told.known or whole_images(shape[0], shape[2]), class_names, statistics)
    found, changed = fitted(path, file, by_path(expected), arrays)
    if "num_classes" not in fields:
        remarks.append(f"num_classes is {num_classes}: so many logits {path} has")
    fields = {**fields, "num_classes": num_classes}
    return Found(path, told, Imported(replaced(expected, found), fields, tuple(arrays), (*remarks, *changed)), known)


def _told(path: str, maker: Any, file: Path) -> tuple[Told, list[str]]:
    """Returns what the card of a file tells, and what is said of that."""
    card = own_card(file)
    if card is None:
        return Told(file), []
    named = card["model"] or card["module"]
    if card["model"]:
        raise UserError(f"{file} has the weights of {named}, not of {path}")
    other = [field for field in card["fields"] if field not in parameters_of(maker)]
    if named != path and other:
        raise UserError(f"{file} has the weights of {named}, whose field {other[0]} is none of {path}")
    told = Told(
        file=file,
        by=str(file),
        fields={**card["fields"], "num_classes": card["num_classes"]},
        known={name: card[name] for name in ("class_names", "preprocessing")},
    )
    remarks = [f"{file.name} says what its weights are of"]
    if not card.get("fields_known"):
        remarks.append(f"it does not say the fields of {named}: those that --field does not set have their defaults")
    if named != path:
        remarks.append(f"that is {named}: they become those of {path}, whose arrays have the same names and shapes")
    return told, remarks


def _stated(path: str, maker: Any, file: Path, told: Told, asked: Asked) -> tuple[tuple[int, int, int], dict[str, Any]]:
    """Returns (height, width, channels) of the images, and the fields, as they are told or were asked for.

    Raises:
        UserError: for all that is missing, in one line, or what does not agree.
    """
    fields = told.agreed(asked.fields)
    size, channels = _image_size(file, told, asked)
    stated = {"--image-size": size, "--channels": channels}
    missing = [*_missing_fields(maker, fields), *(option for option, value in stated.items() if value is None)]
    if size is None or channels is None or missing:
        *others, last = missing
        listed = f"{', '.join(others)} and {last}" if others else last
        raise UserError(f"{file} does not say all that is needed of {path} and its images: give {listed}")
    return (size, size, channels), fields


def _missing_fields(maker: Any, fields: Mapping[str, Any]) -> list[str]:
    """Returns the options that set the fields without a value."""
    variadic = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    taken = {name: each.default for name, each in parameters_of(maker).items() if each.kind not in variadic}
    values = taken | dict(fields)
    width = [] if isinstance(values.pop("num_classes", 1), int) else ["--num-classes"]
    return width + [f"--field {name}=VALUE" for name, value in values.items() if value is Parameter.empty]


def _image_size(file: Path, told: Told, asked: Asked) -> tuple[int | None, int | None]:
    """Returns the side and the channels of the images, as they are told or were asked for; None if neither is."""
    images = told.known.get("preprocessing", {})
    size, channels = asked.image_size, asked.channels
    for name, value in {"image_size": size, "channels": channels}.items():
        option = f"--{name.replace('_', '-')}"
        if value is not None:
            check_whole(option, value, at_least(1))
        if value is not None and images.get(name, value) != value:
            raise UserError(f"{file} says {option} {images[name]}: leave other values out")
    size = size or images.get("image_size")
    channels = channels or images.get("channels") or (len(asked.mean) if asked.mean else None)
    return size, channels


def _made(path: str, maker: Any, fields: Mapping[str, Any]) -> nn.Module:
    """Returns the module with its fields."""
    others = dict(fields)
    taken = parameters_of(maker).get("num_classes")
    default = 1 if taken is None else taken.default  # where it is not taken, it is handed to nothing
    return make_net(path, others.pop("num_classes", default), others)


def _arrays(file: Path) -> Mapping[str, np.ndarray]:
    """Returns the arrays in a file by name."""
    found = read_file(file)
    if not (isinstance(found, Mapping) and found and all(hasattr(value, "shape") for value in found.values())):
        raise UserError(f"{file} is no file of arrays by name: safetensors and .npz are, with the paths of a module")
    return found


def fitted(
    path: str, file: Path, expected: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> tuple[dict[str, Any], list[str]]:
    """Returns the arrays in the dtypes that a module has, by its paths, and what was changed for that.

    Args:
        path: of the module, for messages.
        file: of the arrays, for messages.
        expected: shapes and dtypes by path.
        arrays: by name.

    Raises:
        WrongWeightsError: for arrays that do not fit.
        UserError: if no name is a path of the module.
    """
    if not arrays.keys() & expected.keys():
        theirs, ours = (", ".join(sorted(names)[:2]) for names in (arrays, expected))
        raise UserError(f"no name in {file} is a path of {path}: it has {theirs}, ... and must have {ours}, ...")
    kept = {name: _converted(arrays[name], expected[name].dtype) for name in expected if name in arrays}
    missing = [name for name in expected if name not in arrays]
    unexpected = [name for name in arrays if name not in expected]
    wrong = {
        "missing": missing,
        "unexpected": [_with_nearest(name, missing) for name in unexpected[:_NEAR]] + unexpected[_NEAR:],
        "misshapen": [
            f"{name} {value.shape} for {expected[name].shape}"
            for name, value in kept.items()
            if value.shape != expected[name].shape
        ],
        "of another kind": [
            f"{name} {arrays[name].dtype} for {expected[name].dtype}"
            for name in kept
            if is_float(arrays[name]) != is_float(expected[name])
        ],
        "not finite": [name for name, value in kept.items() if is_float(value) and not _is_finite(value)],
    }
    wrong = {kind: entries for kind, entries in wrong.items() if entries}
    if wrong:
        raise WrongWeightsError(path, wrong)
    changed = Counter(
        (str(arrays[name].dtype), str(value.dtype)) for name, value in kept.items() if arrays[name].dtype != value.dtype
    )
    remarks = [f"arrays of {before} are kept as {after}: {count}" for (before, after), count in changed.items()]
    return {name: jnp.asarray(value) for name, value in kept.items()}, remarks


def _converted(value: np.ndarray, dtype: Any) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        return value.astype(dtype)


def _is_finite(value: np.ndarray) -> bool:
    return bool(np.isfinite(value.astype(np.float32)).all())


def _with_nearest(name: str, missing: list[str]) -> str:
    near = nearest(name, missing)
    return f"{name} (near {near[0]})" if near else name

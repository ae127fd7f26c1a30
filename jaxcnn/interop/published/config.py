"""Reads config.json as timm writes it: which net the weights are of, how its images are made, and its classes."""

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.data.catalog import CATALOG
from jaxcnn.data.catalog.imagenet import names_of_synsets
from jaxcnn.errors import UserError
from jaxcnn.interop.layouts import BICUBIC, BILINEAR, MEAN, STD
from jaxcnn.json_file import read_json
from jaxcnn.ranges import above, at_least, check_number, check_whole, is_number

FILE = "config.json"
_FILTERS = {"bilinear": BILINEAR, "bicubic": BICUBIC}
_FITS = {"center": "crop", "squash": "stretch"}
"""timm's words for how an image becomes a square, and ours. Its "border" is filled with the mean, ours with black."""
_DEFAULTS: Mapping[str, Any] = {
    "input_size": (3, 224, 224),
    "mean": MEAN,
    "std": STD,
    "crop_pct": 0.875,
    "crop_mode": "center",
    "interpolation": "bicubic",
}
"""What timm assumes of what a description does not say (`timm.data.resolve_data_config`)."""
_IMAGENET = re.compile(r"(?:.*_)?in1k(?:_.*)?")
"""Tags of weights that were last trained on ImageNet's 1,000 classes, as "a1_in1k"."""


@dataclasses.dataclass(frozen=True)
class Described:
    """What config.json says of weights."""

    architecture: str
    """timm's name of the net."""
    arguments: Mapping[str, Any]
    """Of timm's `create_model`."""
    num_classes: int | None
    """None if it does not say."""
    image_size: int
    """Side of the square images in pixels: the one that timm evaluates with."""
    channels: int
    fit: str
    """One of `jaxcnn.data.read.crops.FITS`."""
    crop_fraction: float
    """As of `jaxcnn.data.read.crops.ToSquare`."""
    filter: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    class_names: tuple[str, ...]
    """By label; () if they are not known."""
    remarks: tuple[str, ...]
    """One sentence for each decision that was made for the user."""


def read_config(path: Path) -> Described:
    """Returns what a description says, in today's form of it or in the older one without `pretrained_cfg`.

    Raises:
        UserError: for a file that timm did not write, or what our evaluation does not do, in one line.
    """
    content = read_json(path)
    if not isinstance(content.get("architecture"), str):
        raise UserError(f"{path} names no 'architecture', as timm's does{_instead(content)}")
    try:
        return _described(content)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _instead(content: Mapping[str, Any]) -> str:
    """Returns what a description seems to be."""
    if "model_type" in content or "architectures" in content:
        whose = f"model_type {content.get('model_type')!r}, architectures {content.get('architectures')}"
        return f": it is of transformers ({whose}), whose names of weights are not known here"
    return f": it has {', '.join(list(content)[:8])}" if content else ": it is empty"


def _described(content: Mapping[str, Any]) -> Described:
    known = content.get("pretrained_cfg", content)
    if not isinstance(known, Mapping):
        raise UserError("pretrained_cfg is no mapping")
    arguments = dict(content.get("model_args") or {})
    if content.get("global_pool"):
        arguments.setdefault("global_pool", content["global_pool"])
    num_classes = content.get("num_classes", known.get("num_classes"))
    if num_classes == 0:
        raise UserError("num_classes is 0: these weights are of a net without a classifier")
    if num_classes is not None:
        check_whole("num_classes", num_classes, at_least(1))
    said = {**_DEFAULTS, **{key: value for key, value in known.items() if value not in (None, "")}}
    missing = [key for key in _DEFAULTS if known.get(key) in (None, "")]
    remarks = [f"config.json does not say {', '.join(missing)}: timm's own values are used"] if missing else []
    size, channels, further = _size(said)
    fraction = said.get("test_crop_pct", said["crop_pct"])
    check_number("crop_pct", fraction, above(0))
    mean, std = (_numbers(key, said[key], channels) for key in ("mean", "std"))
    if min(std) <= 0:
        raise UserError(f"std is {list(std)}: it must be above 0")
    names, about = _class_names(content, known, num_classes)
    return Described(
        architecture=content["architecture"],
        arguments=arguments,
        num_classes=num_classes,
        image_size=size,
        channels=channels,
        fit=_word("crop_mode", said["crop_mode"], _FITS),
        crop_fraction=size / max(math.floor(size / fraction), 1),  # timm rounds the resized side down
        filter=_word("interpolation", said["interpolation"], _FILTERS),
        mean=mean,
        std=std,
        class_names=names,
        remarks=(*remarks, *further, *about),
    )


def _size(said: Mapping[str, Any]) -> tuple[int, int, list[str]]:
    """Returns the side of the images, their channels, and a remark if timm trained and evaluates with others."""
    trained, tested = (_three(said.get(key, said["input_size"])) for key in ("input_size", "test_input_size"))
    channels, height, width = tested
    if height != width:
        raise UserError(f"input_size is {list(tested)}: nets here take squares")
    if tested == trained:
        return height, channels, []
    remark = f"images are of {height} px, as timm evaluates these weights; it trained them at {trained[2]} px"
    return height, channels, [remark]


def _three(sizes: Any) -> tuple[int, int, int]:
    if not (isinstance(sizes, Sequence) and len(sizes) == 3 and all(isinstance(n, int) and n > 0 for n in sizes)):
        raise UserError(f"input_size is {sizes}: it must be channels, height and width")
    channels, height, width = sizes
    return channels, height, width


def _numbers(key: str, values: Any, channels: int) -> tuple[float, ...]:
    """Returns a number for each channel; one alone is that of all."""
    listed = list(values) if isinstance(values, Sequence) else [values]
    if len(listed) not in (1, channels) or not all(is_number(value) for value in listed):
        raise UserError(f"{key} is {values}: it must be {channels} numbers")
    return tuple(float(value) for value in (listed * channels)[:channels])


def _word(key: str, word: Any, known: Mapping[str, str]) -> str:
    if not isinstance(word, str) or word not in known:
        raise UserError(f"{key} is {word!r}: evaluation here does only {' and '.join(known)}")
    return known[word]


def _class_names(
    content: Mapping[str, Any], known: Mapping[str, Any], num_classes: int | None
) -> tuple[tuple[str, ...], list[str]]:
    """Returns the names by label, and a remark about where they are from."""
    labels = content.get("label_names") or known.get("label_names") or content.get("labels")
    if labels:
        names = _by_label(labels)
        if num_classes not in (None, len(names)):
            raise UserError(f"label_names has {len(names)} names, and num_classes is {num_classes}")
        described = content.get("label_descriptions") or known.get("label_descriptions") or {}
        return _in_words(names, described), ["class names are those of config.json"]
    imagenet = CATALOG["imagenet"].class_names
    tag = str(known.get("tag") or content["architecture"].partition(".")[2])
    if num_classes == len(imagenet) and _IMAGENET.fullmatch(tag):
        return imagenet, [f"class names are ImageNet's, since the weights are tagged {tag!r}"]
    return (), []


def _by_label(labels: Any) -> tuple[str, ...]:
    """Returns names by label, from a list or from a mapping of labels to names."""
    try:
        found = {int(label): name for label, name in labels.items()} if isinstance(labels, Mapping) else labels
        return tuple(str(found[label]) for label in range(len(found)))
    except (LookupError, TypeError, ValueError):
        raise UserError("label_names must be a list, or have a name for each label from 0 on") from None


def _in_words(names: tuple[str, ...], described: Any) -> tuple[str, ...]:
    """Returns names in words where they are WordNet ids."""
    if not all(re.fullmatch(r"n\d{8}", name) for name in names):
        return names
    words = tuple(str(described[name]) for name in names if name in described) if described else ()
    return names_of_synsets(names) or (words if len(words) == len(names) else names)

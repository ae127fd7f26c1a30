"""What predicting needs besides imported weights: class names, and how to preprocess an image."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.data.catalog import CATALOG
from jaxcnn.data.read.predicting import for_predicting
from jaxcnn.errors import UserError
from jaxcnn.interop.layouts import BILINEAR, Preprocessing
from jaxcnn.interop.reference import make_reference
from jaxcnn.models import model_variant

IMAGENET = "imagenet"
Statistics = tuple[Sequence[float], Sequence[float]]
"""Mean and standard deviation of each channel, where white is 1."""


def predicting(
    model_name: str,
    fields: Mapping[str, Any],
    names: Iterable[str],
    *,
    class_names: Sequence[str] | None = None,
    statistics: Statistics | None = None,
) -> dict[str, Any]:
    """Returns `class_names` and `preprocessing` of imported weights, ready for JSON.

    What is not given is assumed to be that of the published ImageNet weights with such names. If there are none,
    `class_names` is [], and `mean` and `std` are None.

    Args:
        model_name: of `list_models()`.
        fields: of `create_model`.
        names: of the entries in the reference implementation.
        class_names: by label.
        statistics: mean and standard deviation that whiten images.
    """
    variant = model_variant(model_name)
    imagenet = CATALOG[IMAGENET].class_names
    known = _published(model_name, fields, names) if variant.num_classes == len(imagenet) else None
    if class_names is None:
        class_names = imagenet if known and fields.get("num_classes", len(imagenet)) == len(imagenet) else ()
    mean: Sequence[float] = ()
    std: Sequence[float] = ()
    source = "not known"
    if statistics:
        mean, std, source = (*statistics, "given")
    elif known:
        mean, std, source = known.mean, known.std, f"assumed to be {known.source}"
    found = for_predicting(
        class_names,
        image_size=variant.image_size,
        channels=variant.channels,
        mean=mean,
        std=std,
        statistics=source,
        crop_fraction=known.crop_fraction if known else 1.0,
        filter=known.filter if known else BILINEAR,
    )
    return found if mean else _unwhitened(found)


def whole_images(image_size: int, channels: int) -> dict[str, Any]:
    """Returns `class_names` and `preprocessing` where only the size of images is known; they are taken whole."""
    said = "not known"
    return _unwhitened(for_predicting((), image_size=image_size, channels=channels, mean=(), std=(), statistics=said))


def _unwhitened(found: dict[str, Any]) -> dict[str, Any]:
    return found | {"preprocessing": found["preprocessing"] | {"mean": None, "std": None}}


def given_over(
    known: Mapping[str, Any], class_names: Sequence[str] | None, statistics: Statistics | None
) -> dict[str, Any]:
    """Returns `class_names` and `preprocessing` that are known, with those that were given in their place."""
    found = {name: known[name] for name in ("class_names", "preprocessing")}
    if statistics:
        mean, std = map(list, statistics)
        found["preprocessing"] = found["preprocessing"] | {"mean": mean, "std": std, "statistics": "given"}
    return found if class_names is None else found | {"class_names": list(class_names)}


def _published(model_name: str, fields: Mapping[str, Any], names: Iterable[str]) -> Preprocessing | None:
    """Returns the preprocessing of published weights with such names; None if none are known."""
    table: Mapping[str, Preprocessing | None] = make_reference(model_name, fields).table("PREPROCESSED")
    texts = list(names)
    return next((found for pattern, found in table.items() if any(re.fullmatch(pattern, name) for name in texts)), None)


def check_statistics(mean: Sequence[float] | None, std: Sequence[float] | None, channels: int) -> Statistics | None:
    """Returns mean and standard deviation, or None if neither is given.

    Args:
        mean: of each channel, where white is 1.
        std: likewise.
        channels: of the net's images.

    Raises:
        UserError: if only one is given, or for another number of channels or values that are out of range.
    """
    if mean is None and std is None:
        return None
    if mean is None or std is None:
        raise UserError("--mean and --std go together: --mean is subtracted from an image, and --std divides it")
    for name, values in (("--mean", mean), ("--std", std)):
        if len(values) != channels:
            raise UserError(f"{name} has {len(values)} numbers, and the net's images have {channels} channels")
        if not all(abs(value) <= 1 for value in values):  # true for NaN too
            line = f"{name} {_listed(values)} must be of pixels between 0 and 1: divide those of 0 to 255 by 255"
            raise UserError(line)
    if not all(value > 0 for value in std):
        raise UserError(f"--std {_listed(std)} must be above 0")
    return mean, std


def _listed(values: Sequence[float]) -> str:
    return ",".join(f"{value:g}" for value in values)


def read_class_names(path: Path, num_classes: int) -> list[str]:
    """Returns class names by label from a text file with one name a line, or from JSON.

    JSON may be a list of names, or a mapping of labels to names, of labels to lists that end in a name, or of names to
    labels.

    Raises:
        UserError: for a file that cannot be read, lacks a name or has another number of names.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is no text in UTF-8") from None
    names = _from_json(path, text) if text.lstrip().startswith(("[", "{")) else text.strip().splitlines()
    names = [str(name).strip() for name in names]
    if len(names) != num_classes:
        raise UserError(f"{path} has {len(names)} class names, and the net has {num_classes} outputs")
    if "" in names:
        raise UserError(f"{path} has no name for class {names.index('')}")
    return names


def _from_json(path: Path, text: str) -> list[Any]:
    try:
        found = json.loads(text)
        if isinstance(found, dict):
            if all(isinstance(label, int) for label in found.values()):
                found = {label: name for name, label in found.items()}
            by_label = {int(label): name for label, name in found.items()}
            found = [by_label[label] for label in range(len(by_label))]
        return [name[-1] if isinstance(name, list) else name for name in found]
    except (ValueError, LookupError, TypeError):
        raise UserError(f"{path} must hold a list of names, or labels from 0 on with a name each") from None

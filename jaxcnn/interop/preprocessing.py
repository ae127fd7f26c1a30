"""What predicting with imported weights needs beside them: class names, and how an image becomes what the net takes."""

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
"""Mean and deviation of each channel, white is 1."""


def predicting(
    model_name: str,
    fields: Mapping[str, Any],
    names: Iterable[str],
    *,
    class_names: Sequence[str] | None = None,
    statistics: Statistics | None = None,
) -> dict[str, Any]:
    """Returns `class_names` and `preprocessing` of imported weights, ready for JSON.

    What is not given is assumed to be as in the published weights under such names, where those are of ImageNet; where
    that cannot be assumed, class_names is [], and mean and std are None.

    Args:
        model_name: of `list_models()`.
        fields: of `create_model`.
        names: of the entries, as the reference has them.
        class_names: by label.
        statistics: that whiten images.
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
    if not mean:
        found["preprocessing"] |= {"mean": None, "std": None}
    return found


def _published(model_name: str, fields: Mapping[str, Any], names: Iterable[str]) -> Preprocessing | None:
    """Returns what the published weights with such names want; None where none are known."""
    table: Mapping[str, Preprocessing] = make_reference(model_name, fields).table("PREPROCESSED")
    texts = list(names)
    return next((found for pattern, found in table.items() if any(re.fullmatch(pattern, name) for name in texts)), None)


def check_statistics(mean: Sequence[float] | None, std: Sequence[float] | None, channels: int) -> Statistics | None:
    """Returns mean and deviation where they are given.

    Raises:
        UserError: where only one is, for another number of channels, and for numbers that whiten no images.
    """
    if mean is None and std is None:
        return None
    if mean is None or std is None:
        raise UserError("--mean and --std go together: what is subtracted, and what is then divided by")
    for name, values in (("--mean", mean), ("--std", std)):
        if len(values) != channels:
            raise UserError(f"{name} has {len(values)} numbers, and the net's images have {channels} channels")
        if not all(abs(value) <= 1 for value in values):  # also where it is not a number
            line = f"{name} {_listed(values)} must be of pixels between 0 and 1: divide those of 0 to 255 by 255"
            raise UserError(line)
    if not all(value > 0 for value in std):
        raise UserError(f"--std {_listed(std)} must be above 0")
    return mean, std


def _listed(values: Sequence[float]) -> str:
    return ",".join(f"{value:g}" for value in values)


def read_class_names(path: Path, num_classes: int) -> list[str]:
    """Returns the names of classes by label, out of a file with one name a line or of JSON.

    JSON may be a list of names, or map labels to names, labels to lists that end in a name, or names to labels.

    Raises:
        UserError: where it cannot be read, or holds another number of names.
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
        raise UserError(f"{path} has {len(names)} names of classes, and the net has {num_classes} outputs")
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
        raise UserError(f"{path} is neither a list of names nor labels from 0 on with a name each") from None

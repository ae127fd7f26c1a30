"""Sentences about decisions that were made for the user in the data, and about what the data lack. Imports no JAX."""

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from jaxcnn.data.read.crops import ToSquare

VAGUE = 0.1
"""A split is called small if the confidence interval of an accuracy is wider than twice this."""
_SURE = 1.96  # standard deviations of a 95 % confidence interval
_NAMED = 5
_WHOLE = {"pad": "made square by black bars", "stretch": "stretched to squares"}


def of_view(crop: ToSquare, shape: tuple[int | None, int | None, int], *, alike: bool) -> str:
    """Returns a sentence about the part of an image that the net gets; "" if images are square and shown whole.

    Args:
        crop: makes the squares.
        shape: (height, width, channels) of the images; height and width are None if they differ.
        alike: whether all are known to have that height and width.
    """
    (height, width, _), share = shape, crop.fraction
    if height is None or width is None or not alike:
        images, middle = "each image", "square" + ("" if share == 1 else f", {_percent(share)} of the short side,")
    else:
        images, middle = f"images of {height}x{width}", "x".join(2 * [f"{min(height, width) * share:.0f}"])
        if height == width:
            return "" if share == 1 else f"of {images} the middle {middle} is seen (data.crop_fraction)"
    if crop.fit == "crop":
        return f"of {images} the middle {middle} is seen (data.fit = crop): pad or stretch shows all of it"
    part = "all" if share == 1 else f"the middle {_percent(share)} of each side (data.crop_fraction)"
    return f"of {images} {part} is seen, {_WHOLE[crop.fit]} (data.fit = {crop.fit})"


def of_labels(labels: Mapping[str, np.ndarray], class_names: Sequence[str]) -> list[str]:
    """Returns sentences about classes without any example, without training examples, or without test examples.

    Args:
        labels: (examples,) int32 of "train", "val" and "test".
        class_names: by label.
    """
    counts = {split: np.bincount(each, minlength=len(class_names)) for split, each in labels.items()}
    trained, elsewhere = counts["train"] > 0, counts["val"] + counts["test"]
    nowhere, unlearnt = ~trained & (elsewhere == 0), ~trained & (elsewhere > 0)
    untested = trained & (counts["test"] == 0)
    remarks = []
    if nowhere.any():
        which = f"{_of(nowhere)} outputs have no example: {_listed(nowhere, class_names)}"
        remarks.append(which + _renumbered(~nowhere, class_names))
    if unlearnt.any():
        found = f"{elsewhere[unlearnt].sum():,} of val and test have"
        remarks.append(f"no training example has label {_listed(unlearnt, class_names)}, but {found}: it is not learnt")
    if untested.any():
        remarks.append(f"test has no example of {_of(untested)} classes: {_listed(untested, class_names)}")
    return remarks


def of_sizes(sizes: Mapping[str, int]) -> list[str]:
    """Returns sentences about "val" and "test" if they are too small to compare nets."""
    remarks = []
    for split in ("val", "test"):
        half = min(_SURE * math.sqrt(0.25 / sizes[split]), 0.5)
        if half > VAGUE:
            known = f"an accuracy of 50 % there is only sure to {100 * half:.0f} points either way (95 %)"
            remarks.append(f"{split} has {sizes[split]:,} example{'s' * (sizes[split] > 1)}: {known}")
    return remarks


def of_division(given: Collection[str], *, validation: bool, test: bool) -> list[str]:
    """Returns a sentence about a "val" that is not the validation split.

    Args:
        given: the official splits.
        validation: whether validation examples are to be made from train.
        test: whether test examples are to be made from train.
    """
    if "val" not in given:
        return []
    if "test" not in given and not test:
        return ["there is no test split: val is the test split, and examples are cut off train for validation"]
    return ["val is left out: data.validation cuts other examples off train"] if validation else []


def _renumbered(found: np.ndarray, class_names: Sequence[str]) -> str:
    """Returns an advice about labels that are not numbered from 0 on; "" if classes have names."""
    if any(name != str(label) for label, name in enumerate(class_names)):
        return ""
    first, last, count = int(found.argmax()), len(found) - 1 - int(found[::-1].argmax()), int(found.sum())
    if first and last - first + 1 == count:
        return f" (labels are {first} to {last}: subtract {first} from them)"
    return f" ({count:,} labels occur: number them 0 to {count - 1}, as np.unique's return_inverse does)"


def _of(which: np.ndarray) -> str:
    return f"{which.sum():,} of {len(which):,}"


def _listed(which: np.ndarray, class_names: Sequence[str]) -> str:
    """Returns the first names of these classes."""
    labels = np.flatnonzero(which)
    names = [class_names[label] for label in labels[:_NAMED]]
    return ", ".join(names) + (", ..." if len(labels) > _NAMED else "")


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"

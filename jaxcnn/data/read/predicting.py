"""What predicting needs besides a trained net, ready for JSON. Imports no JAX."""

from collections.abc import Mapping, Sequence
from typing import Any


def filter_of(resampling: str) -> str:
    """Returns the text about resizing by one of `jaxcnn.data.read.crops.RESAMPLINGS`."""
    return f"{resampling}, antialiased (Pillow)"


def resampling_of(preprocessing: Mapping[str, Any]) -> str:
    """Returns the word of that text in a preprocessing, which one of an earlier version may lack."""
    return str(preprocessing.get("filter", FILTER)).partition(",")[0]


FILTER = filter_of("bilinear")
"""How evaluation resizes images, unless it is told otherwise."""


def for_predicting(
    class_names: Sequence[str],
    *,
    image_size: int,
    channels: int,
    mean: Sequence[float],
    std: Sequence[float],
    statistics: str,
    fit: str = "crop",
    crop_fraction: float = 1.0,
    filter: str = FILTER,
) -> dict[str, Any]:
    """Returns `class_names`, by label, and `preprocessing`: how to make the net's input from an image.

    Args:
        class_names: by label.
        image_size: side of the square in pixels.
        channels: 1 (grey) or 3 (RGB).
        mean: of each channel, where white is 1; it is subtracted.
        std: of each channel, where white is 1; the difference is divided by it.
        statistics: a text about the source of `mean` and `std`.
        fit: how an image becomes square, one of `jaxcnn.data.read.crops.FITS`.
        crop_fraction: side of the central square, as a fraction of the resized image's side.
        filter: a text about how the image is resized.
    """
    preprocessing = {
        "image_size": image_size,
        "channels": channels,
        "fit": fit,
        "crop_fraction": crop_fraction,
        "filter": filter,
        "mean": [float(value) for value in mean],
        "std": [float(value) for value in std],
        "statistics": statistics,
    }
    if fit == "pad":
        preprocessing["fill"] = 0  # level of the bars
    return {"class_names": list(class_names), "preprocessing": preprocessing}

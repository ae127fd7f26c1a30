"""What has to be known to predict with a trained net, beside the net: ready for JSON. Imports no JAX."""

from collections.abc import Sequence
from typing import Any

FILTER = "bilinear, antialiased (Pillow)"
"""How evaluation resizes images."""


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
    """Returns `class_names`, by label, and `preprocessing`: how an image becomes what the net is given.

    Args:
        class_names: by label.
        image_size: side in pixels of the square that an image becomes.
        channels: 1 (grey) or 3 (RGB).
        mean: of every channel, white is 1; it is subtracted.
        std: of every channel, white is 1; the difference is divided by it.
        statistics: where `mean` and `std` come from, in words.
        fit: how an image that is not square becomes one, a word of `jaxcnn.data.read.crops.FITS`.
        crop_fraction: side of the square as a part of what the image is resized to, of which it is the middle.
        filter: how the image is resized, in words.
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

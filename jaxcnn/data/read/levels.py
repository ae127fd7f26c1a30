"""Images with more than 8 bits a channel ("deep" images): which values are black and white. Imports no JAX.

A file of 12 or 16 bits says how many bits it has, and the largest value is white unless its data set has another range.
Cameras and scanners often use only a part of the values, and files of 32-bit integers or floats do not say what is
white. A data set therefore has a range for each kind, found from many images (`data.read.probe`). It is the same for
all images, since a range for each would remove differences in brightness.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from jaxcnn.data.read.heads import upright, without_metadata

COLOUR = "16-bit colour"
_BITS, _PHOTOMETRIC, _ORIENTATION, _PLANES, _FORMAT = 258, 262, 274, 284, 339
"""Tags of a TIFF file: bits of a number; 0 if 0 is white; orientation; 2 if each colour has its own plane; 2 for signed
numbers, 3 for floats, else unsigned."""
_SIGNED = 2


class Range(NamedTuple):
    """The values of pixels from black to white."""

    black: float
    white: float
    """The first value above the brightest of the 256 levels."""


Levels = Mapping[str, Range]
"""By kind, as `deep_kind` returns it."""
DECLARED: Levels = {"12-bit grey": Range(0, 2**12), "16-bit grey": Range(0, 2**16), COLOUR: Range(0, 2**16)}
"""Ranges that files declare."""


def deep_kind(image: Image.Image) -> str | None:
    """Returns the kind of a deep image that Pillow has opened; None for 8 bits."""
    tile = getattr(image, "tile", None)
    arguments = tile[0][3] if tile else ""
    raw = arguments if isinstance(arguments, str) else str(arguments[0])
    if image.mode == "F":
        return "floating-point"
    if image.mode.startswith("I"):
        signed = raw in ("I;16S", "I;16BS")
        return (
            "signed 16-bit" if signed else "32-bit" if "32" in raw else "12-bit grey" if "12" in raw else "16-bit grey"
        )
    return COLOUR if ";16" in raw and image.mode in ("LA", "RGB", "RGBA", "RGBX") else None


def misread(image: Image.Image) -> str:
    """Returns a text about what Pillow would misread in an image that it has opened; "" for nothing."""
    bits = _tag(image, _BITS) or 0
    if bits > 8 and _tag(image, _PLANES) == 2 and len(image.getbands()) > 1:
        return f"its {bits}-bit colours lie in planes of their own"
    return "its numbers are of 8 bits and signed" if bits == 8 and _tag(image, _FORMAT) == _SIGNED else ""


def deep_values(image: Image.Image, content: bytes) -> np.ndarray:
    """Returns the stored pixels of a deep image, (height, width) or (height, width, 3).

    Args:
        image: as Pillow has opened it.
        content: of its file, since Pillow keeps only 8 bits of colours.

    Raises:
        ValueError: for pixels that are infinite or NaN, or colours that cannot be read.
        Exception: from Pillow, for a damaged file.
    """
    colour, turned = deep_kind(image) == COLOUR, _tag(image, _ORIENTATION)
    values = np.asarray(image)
    if colour:
        read = cv2.imdecode(np.frombuffer(without_metadata(content), np.uint8), cv2.IMREAD_UNCHANGED)
        if read is None or read.shape[2:] not in ((3,), (4,)) or read.dtype != np.uint16:
            raise ValueError("its 16-bit colours cannot be read")
        return upright(read[..., 2::-1], turned or 1)
    if values.dtype == np.int32 and _tag(image, _FORMAT) != _SIGNED:
        return values.view(np.uint32)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError("some of its pixels are infinite or no numbers")
    return values


def in_8_bits(image: Image.Image, content: bytes, levels: Levels) -> Image.Image:
    """Returns an image with 8 bits a channel. A deep image is converted by the range of its kind.

    Args:
        image: as Pillow has opened it.
        content: of its file.
        levels: of its data set; other kinds have the range that the file declares.

    Raises:
        ValueError: for values out of the range, or a kind without a known range.
        Exception: from Pillow, for a damaged file.
    """
    kind = deep_kind(image)
    if kind is None or (kind == COLOUR and kind not in levels):  # Pillow reads the upper 8 bits of such colours
        return image
    values, span = deep_values(image, content), levels.get(kind) or DECLARED.get(kind)
    if span is None:
        raise ValueError(f"its pixels are {kind}, and nothing says which value is white: save it with 8 or 16 bits")
    inverted = _tag(image, _PHOTOMETRIC) == 0
    found = to_levels(values, span)
    return Image.fromarray(255 - found if inverted else found)


def to_levels(values: np.ndarray, span: Range) -> np.ndarray:
    """Returns values as levels from 0 to 255, uint8.

    Raises:
        ValueError: for values out of the range.
    """
    low, high = values.min(), values.max()
    if low < span.black or high > span.white:
        raise ValueError(f"its values reach from {reach(low, high)}, where those of its data set are {reach(*span)}")
    floats = values.astype(np.float32) if values.dtype.itemsize <= 2 else values.astype(np.float64)
    return np.minimum((floats - span.black) * (256 / (span.white - span.black)), 255).astype(np.uint8)


def range_of(low: float, high: float, *, whole: bool) -> Range:
    """Returns the range for values from `low` to `high`: from 0 or a negative power of 4 to a power of 4.

    Data sets of 8, 10, 12, 14 and 16 bits so get their own ranges, also if no image is entirely white.
    """
    if whole:
        white: float = max(256, _power(high + 1)) if high >= 0 else 0
    else:
        white = _power(high) if high > 0 else 0.0
    black = -_power(-low) if low < 0 else 0
    return Range(black, white if white > black else black + 1)


def reach(low: float, high: float) -> str:
    """Returns a text with two values."""
    return f"{low:,.10g} to {high:,.10g}"


def _power(number: float) -> float:
    """Returns the smallest power of 4 that is not below the number."""
    power = 4.0 ** math.ceil(math.log(number, 4) - 1e-9)
    return power if power >= number else 4 * power


def _tag(image: Image.Image, tag: int) -> int | None:
    found = getattr(image, "tag_v2", {}).get(tag)
    return found[0] if isinstance(found, tuple) else found

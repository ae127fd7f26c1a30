"""From the bytes of an image file to pixels: as grey or RGB, 8 bits, whatever the file holds. Imports no JAX.

Alpha is dropped, a palette looked up, 16 bits become their upper 8, CMYK becomes RGB as Pillow converts it, and the
first frame stands for an animation. Metadata is not read, but for the EXIF orientation of a `Photograph`, which is
turned upright; other files are not, as in torchvision and the papers, whose numbers so compare.
"""

import dataclasses
import io
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import simplejpeg
from PIL import Image

from jaxcnn.data.heads import orientation, upright, without_metadata
from jaxcnn.data.transforms import to_array, to_pil


@dataclasses.dataclass(frozen=True)
class Photograph:
    """An image file of somebody's own, which EXIF may turn."""

    content: bytes


Encoded: TypeAlias = bytes | Photograph | np.ndarray
"""An image file, or pixels (height, width, 1 or 3) uint8."""
MOST_PIXELS = 2**26
"""In an image: 8,192 x 8,192."""
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")


class UnreadableError(ValueError):
    """An image that cannot be decoded; the message says why, in one line."""


def decode(data: Encoded, channels: int) -> Image.Image:
    """Returns an image with 1 (grey) or 3 (RGB) channels, by Pillow.

    Raises:
        UnreadableError: for what is no whole image in one of `FORMATS`.
    """
    if isinstance(data, Photograph):
        image, turned = decode(data.content, channels), orientation(data.content)
        return image if turned == 1 else to_pil(np.ascontiguousarray(upright(to_array(image), turned)))
    image = to_pil(data) if isinstance(data, np.ndarray) else open_image(data)
    try:
        return _plain(image, "L" if channels == 1 else "RGB")
    except Exception as error:  # every format's reader has its own
        raise UnreadableError(" ".join(str(error).split()) or type(error).__name__) from None


def open_image(data: bytes, formats: tuple[str, ...] = FORMATS) -> Image.Image:
    """Returns the image of a file, of which only the head is read yet.

    Raises:
        UnreadableError: for what is no image in one of `formats`, or one of more than `MOST_PIXELS`.
    """
    try:
        image = Image.open(io.BytesIO(without_metadata(data)), formats=formats)
    except Exception as error:  # every format's reader has its own
        reason = "no image" if isinstance(error, Image.UnidentifiedImageError) else " ".join(str(error).split())
        raise UnreadableError(reason or type(error).__name__) from None
    check_pixels(*image.size)
    return image


def check_pixels(width: int, height: int) -> None:
    """Raises `UnreadableError` for more than `MOST_PIXELS`: a small file can say that it holds any number."""
    if width * height > MOST_PIXELS:
        raise UnreadableError(f"{width:,} x {height:,} pixels are more than {MOST_PIXELS:,}")


def decode_fast(data: Encoded, channels: int, shrink: Callable[[int, int], int]) -> tuple[np.ndarray, tuple[int, int]]:
    """Returns an image (height, width, channels) uint8, and its (height, width) in full: JPEG by libjpeg-turbo.

    All else, and what libjpeg-turbo does not like, is read by `decode`, so that both agree on what is readable.

    Args:
        data: of the image.
        channels: 1 (grey) or 3 (RGB).
        shrink: (height, width) -> 1, 2, 4 or 8: how many times smaller a JPEG may be made while it is decoded, which
            saves time.

    Raises:
        UnreadableError: for what is no whole image.
    """
    if isinstance(data, np.ndarray) and data.shape[-1] == channels:
        return data, data.shape[:2]
    if isinstance(data, Photograph):
        return _photograph(data, channels, shrink)
    if isinstance(data, bytes) and data.startswith(b"\xff\xd8"):
        try:
            height, width, colors, _ = simplejpeg.decode_jpeg_header(data)
            check_pixels(width, height)
            if colors in ("YCbCr", "Gray", "RGB"):
                factor = shrink(height, width)
                least = {"min_height": -(-height // factor), "min_width": -(-width // factor)}
                return simplejpeg.decode_jpeg(data, "GRAY" if channels == 1 else "RGB", **least), (height, width)
        except ValueError:
            pass
    image = to_array(decode(data, channels))
    return image, image.shape[:2]


def _photograph(
    data: Photograph, channels: int, shrink: Callable[[int, int], int]
) -> tuple[np.ndarray, tuple[int, int]]:
    turned = orientation(data.content)
    across = turned > 4  # then height and width change places
    image, size = decode_fast(data.content, channels, (lambda h, w: shrink(w, h)) if across else shrink)
    return upright(image, turned), size[::-1] if across else size


def _plain(image: Image.Image, mode: str) -> Image.Image:
    if image.mode.startswith("I"):
        upper = np.clip(np.asarray(image), 0, 2**16 - 1) >> 8  # Pillow's own conversion makes all from 256 on white
        image = Image.fromarray(upper.astype(np.uint8))
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA")
    if image.mode == "F":
        raise UnreadableError("its pixels are floating-point numbers")
    if image.mode != mode:
        return image.convert(mode)
    image.load()
    return image

"""Decodes image files to grey or RGB pixels of 8 bits. Imports no JAX.

Alpha is dropped, palettes are resolved, more bits become 8 (`levels`), CMYK becomes RGB as Pillow converts it, and of
an animation the first frame is read. Metadata is ignored, except that a `Photograph` is turned upright as EXIF says.
Other files are not turned, as in torchvision and in papers, so that results are comparable.
"""

import dataclasses
import io
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import simplejpeg
from PIL import Image

from jaxcnn.data.read.heads import orientation, upright, without_metadata
from jaxcnn.data.read.levels import Levels, in_8_bits, misread
from jaxcnn.data.read.transforms import to_array, to_pil


@dataclasses.dataclass(frozen=True)
class Photograph:
    """A user's image file, which EXIF may turn."""

    content: bytes
    levels: Levels = dataclasses.field(default_factory=dict)
    """Ranges of deep images in its data set."""


Encoded: TypeAlias = bytes | Photograph | np.ndarray
"""An image file, or pixels (height, width, 1 or 3) uint8."""
MOST_PIXELS = 2**26
"""Most pixels of an image: 8,192 x 8,192."""
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")


class UnreadableError(ValueError):
    """An image that cannot be decoded; the message says why, in one line."""


def decode(data: Encoded, channels: int) -> Image.Image:
    """Returns an image with 1 (grey) or 3 (RGB) channels, by Pillow.

    Raises:
        UnreadableError: for anything but a complete image in one of `FORMATS`.
    """
    mode = "L" if channels == 1 else "RGB"
    if isinstance(data, np.ndarray):
        return _plain(to_pil(data), mode)
    content, levels = (data.content, data.levels) if isinstance(data, Photograph) else (data, {})
    image = open_image(content)
    try:
        image = _plain(in_8_bits(image, content, levels), mode)
    except Exception as error:  # every format's reader has its own
        raise UnreadableError(" ".join(str(error).split()) or type(error).__name__) from None
    turned = orientation(content) if isinstance(data, Photograph) else 1
    return image if turned == 1 else to_pil(np.ascontiguousarray(upright(to_array(image), turned)))


def open_image(data: bytes, formats: tuple[str, ...] = FORMATS) -> Image.Image:
    """Opens an image file; only its head is read.

    Raises:
        UnreadableError: for anything but an image in one of `formats`, for more than `MOST_PIXELS`, and for an image
            that Pillow would misread.
    """
    try:
        image = Image.open(io.BytesIO(without_metadata(data)), formats=formats)
    except Exception as error:  # every format's reader has its own
        reason = _unknown(data) if isinstance(error, Image.UnidentifiedImageError) else " ".join(str(error).split())
        raise UnreadableError(reason or type(error).__name__) from None
    check_pixels(*image.size)
    if wrong := misread(image):
        raise UnreadableError(f"{wrong}, which is not read: save it as PNG")
    return image


def check_pixels(width: int, height: int) -> None:
    """Raises `UnreadableError` for more than `MOST_PIXELS`, since a small file can claim any size."""
    if width * height > MOST_PIXELS:
        raise UnreadableError(f"{width:,} x {height:,} pixels are more than {MOST_PIXELS:,}")


def decode_fast(data: Encoded, channels: int, shrink: Callable[[int, int], int]) -> tuple[np.ndarray, tuple[int, int]]:
    """Returns an image (height, width, channels) uint8 and its full (height, width), using libjpeg-turbo for JPEG.

    Other formats, and files that libjpeg-turbo rejects, are read by `decode`, so that both read the same files.

    Args:
        data: of the image.
        channels: 1 (grey) or 3 (RGB).
        shrink: (height, width) -> 1, 2, 4 or 8, the factor by which a JPEG may be decoded smaller, which saves time.

    Raises:
        UnreadableError: for anything but a complete image.
    """
    if isinstance(data, np.ndarray) and data.shape[-1] == channels:
        return data, data.shape[:2]
    content = data.content if isinstance(data, Photograph) else data
    if isinstance(content, bytes) and content.startswith(b"\xff\xd8"):
        try:
            return _decode_jpeg(content, channels, shrink, orientation(content) if content is not data else 1)
        except ValueError:
            pass
    image = to_array(decode(data, channels))
    return image, image.shape[:2]


def _decode_jpeg(
    data: bytes, channels: int, shrink: Callable[[int, int], int], turned: int
) -> tuple[np.ndarray, tuple[int, int]]:
    """Returns upright pixels, and (height, width) of the whole image; raises ValueError for unusual colours.

    Args:
        data: a JPEG file.
        channels: 1 or 3.
        shrink: (height, width) -> the factor by which decoding may shrink the image.
        turned: orientation of the EXIF tag, 1 to 8.
    """
    height, width, colors, _ = simplejpeg.decode_jpeg_header(data)
    check_pixels(width, height)
    if colors not in ("YCbCr", "Gray", "RGB"):
        raise ValueError(colors)
    size = (width, height) if turned > 4 else (height, width)  # upright
    factor = shrink(*size)
    least = {"min_height": -(-height // factor), "min_width": -(-width // factor)}
    return upright(simplejpeg.decode_jpeg(data, "GRAY" if channels == 1 else "RGB", **least), turned), size


def _unknown(data: bytes) -> str:
    """Returns a text that says what kind of file this is, which Pillow does not know."""
    if data[4:8] == b"ftyp":
        return "it is HEIC, AVIF or a film: save it as JPEG or PNG"
    if data[128:132] == b"DICM":
        return "it is DICOM: save it as PNG"
    if data.startswith((b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51", b"v/1\x01")):
        return "it is JPEG 2000 or OpenEXR: save it as PNG"
    tiff = data.startswith((b"II*\0", b"MM\0*"))
    return "it is TIFF of a kind that is not read: save it with 8 or 16 bits, in grey or RGB" if tiff else "no image"


def _plain(image: Image.Image, mode: str) -> Image.Image:
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA")
    if image.mode != mode:
        return image.convert(mode)
    image.load()
    return image

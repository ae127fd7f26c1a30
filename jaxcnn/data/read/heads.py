"""Reads or removes metadata of image files, before they are decoded. Imports no JAX."""

from collections.abc import Callable
from typing import Literal

import numpy as np

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
_SEGMENTS = 32
"""Most segments of a JPEG, or chunks of a WebP file, that are searched for EXIF, which should be the first."""
_ORIENTATION = 0x0112

_TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: image.swapaxes(0, 1)[:, ::-1],
    7: lambda image: image.swapaxes(0, 1)[::-1, ::-1],
    8: lambda image: image.swapaxes(0, 1)[::-1],
}
"""By EXIF orientation, from 2 on, a function from the stored image to the upright one."""


def upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """Returns a stored image (height, width, channels) turned upright, as a view."""
    return _TURNS[orientation](image) if orientation in _TURNS else image


def orientation(data: bytes) -> int:
    """Returns the EXIF orientation of an image file: 1 to 8, where 1 is upright.

    It reads JPEG, PNG and WebP files. It is 1 for all others, for TIFF, which Pillow turns itself, and for a missing or
    invalid orientation.
    """
    found = 1
    if data.startswith(_JPEG):
        found = _tag(_jpeg_exif(data))
    elif data.startswith(_PNG):
        found = _tag(_chunk(data, b"eXIf").removeprefix(b"Exif\0\0"))
    elif data[8:12] == b"WEBP":
        found = _tag(_webp_exif(data).removeprefix(b"Exif\0\0"))
    return found if found in _TURNS else 1


def without_metadata(data: bytes) -> bytes:
    """Returns a PNG file without the chunks that its pixels do not need, and any other file as it is.

    Such a chunk may be small in the file but gigabytes when it is unpacked, and Pillow then refuses the whole image. Of
    an animation, the default image remains.
    """
    if not data.startswith(_PNG):
        return data
    kept, start, place = [], 0, len(_PNG)
    while place + 12 <= len(data):
        kind, end = data[place + 4 : place + 8], place + 12 + int.from_bytes(data[place : place + 4])
        if kind == b"IEND":
            break
        if kind[0] & 0x20 and kind != b"tRNS" and end <= len(data):  # the bit of chunks that may be left out
            kept.append(data[start:place])
            start = end
        place = end
    return b"".join([*kept, data[start:]]) if kept else data


def _chunk(data: bytes, wanted: bytes) -> bytes:
    """Returns the content of the first chunk of a kind in a PNG file; nothing where there is none."""
    place = len(_PNG)
    while place + 12 <= len(data):
        length, kind = int.from_bytes(data[place : place + 4]), data[place + 4 : place + 8]
        if kind == wanted:
            return data[place + 8 : place + 8 + length]
        place += 12 + length
    return b""


def _jpeg_exif(data: bytes) -> bytes:
    place = len(_JPEG)
    for _ in range(_SEGMENTS):
        while data[place : place + 2] == b"\xff\xff":  # which may fill
            place += 1
        marker, length = data[place : place + 2], int.from_bytes(data[place + 2 : place + 4])
        if marker == b"\xff\xe1" and data[place + 4 : place + 10] == b"Exif\0\0":
            return data[place + 10 : place + 2 + length]
        if marker[:1] != b"\xff" or marker == b"\xff\xda" or length < 2:  # what follows FF DA are the pixels
            break
        place += 2 + length
    return b""


def _webp_exif(data: bytes) -> bytes:
    place = 12
    for _ in range(_SEGMENTS):
        kind, length = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        if kind == b"EXIF":
            return data[place + 8 : place + 8 + length]
        place += 8 + length + length % 2
    return b""


def _tag(exif: bytes) -> int:
    """Returns the orientation in a block of EXIF, which is a TIFF file's head; 0 where there is none."""
    order: Literal["little", "big"] = "little" if exif[:2] == b"II" else "big"

    def number(place: int, size: int) -> int:
        return int.from_bytes(exif[place : place + size], order)

    first = number(4, 4)
    for entry in range(first + 2, min(first + 2 + 12 * number(first, 2), len(exif) - 11), 12):
        if number(entry, 2) == _ORIENTATION:
            return number(entry + 8, 2 if number(entry + 2, 2) == 3 else 4)  # 3: 16 bits, as it should be
    return 0

"""Makes squares of images of any size, for evaluation and for training. Imports no JAX.

In evaluation, Pillow decodes an image and resizes it, bilinear and antialiased, as `FITS` says; the middle is then
cropped. Training with the decoder "pil" resizes likewise. With "simplejpeg", libjpeg-turbo decodes, up to 8 times
smaller if the crop remains large enough, and OpenCV resizes by less than 2, bilinear and not antialiased. That is twice
as fast.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np
from PIL import Image

from jaxcnn.data.read.decode import MOST_PIXELS, Encoded, UnreadableError, decode, decode_fast
from jaxcnn.data.read.transforms import to_array

DECODERS = ("simplejpeg", "pil")
FITS = ("crop", "pad", "stretch")
"""How an image becomes square: its ends are cropped, it gets black bars, or it is stretched."""
RESAMPLINGS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
"""Filters that evaluation resizes by."""
Box = tuple[int, int, int, int]
"""(top, left, height, width) in pixels."""
_TRIES = 10
DRAWS = 4 * _TRIES
"""Most random numbers that a crop needs."""


class Crop(Protocol):
    """Makes a square of an image."""

    @property
    def size(self) -> int:
        """Side of the square, in pixels."""

    @property
    def channels(self) -> int:
        """1 (grey) or 3 (RGB)."""

    @property
    def decoder(self) -> str:
        """One of `DECODERS`."""

    def __call__(self, data: Encoded, uniform: Sequence[float], out: np.ndarray) -> None:
        """Fills `out`, (size, size, channels) uint8. Random numbers are `uniform`, `DRAWS` of them in [0, 1)."""


@dataclasses.dataclass(frozen=True)
class ToSquare:
    """Resizes an image and crops the middle, with torchvision's rounding."""

    size: int
    channels: int
    fraction: float = 1.0
    """Side of the square, as a fraction of the resized image's short side (of its long side for "pad", of both for
    "stretch")."""
    fit: str = "crop"
    """One of `FITS`."""
    resampling: str = "bilinear"
    """One of `RESAMPLINGS`; each is antialiased."""

    @property
    def decoder(self) -> str:
        """Always Pillow, so that evaluation does not depend on other installed packages."""
        return "pil"

    def __call__(self, data: Encoded, uniform: Sequence[float], out: np.ndarray) -> None:  # noqa: ARG002
        """Fills `out`, (size, size, channels) uint8.

        Raises:
            UnreadableError: for what is no whole image; `out` is as it was.
        """
        image = decode(data, self.channels)
        width, height = self._resized(*image.size)
        if width * height > MOST_PIXELS:
            raise UnreadableError(f"{image.width:,} x {image.height:,} pixels are too long to be resized")
        if (width, height) != image.size:
            image = image.resize((width, height), RESAMPLINGS[self.resampling])
        left, top = round((width - self.size) / 2), round((height - self.size) / 2)
        out[...] = to_array(image.crop((left, top, left + self.size, top + self.size)))  # black outside of the image

    def _resized(self, width: int, height: int) -> tuple[int, int]:
        """Returns (width, height) of the resized image."""
        side = round(self.size / self.fraction)
        if self.fit == "stretch":
            return side, side
        whole = max(width, height) if self.fit == "pad" else min(width, height)
        return max(side * width // whole, 1), max(side * height // whole, 1)


@dataclasses.dataclass(frozen=True)
class RandomResizedCrop:
    """Crops a box of random area, aspect and position, and resizes it (Szegedy et al., 2015, section 6).

    For "pad" and "stretch", the box is in the square that the whole image becomes.
    """

    size: int
    channels: int
    scale: tuple[float, float] = (0.08, 1.0)
    """Range of the box's area, as a fraction of the image's."""
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    """Range of the box's width / height."""
    decoder: str = "simplejpeg"
    fit: str = "crop"
    """One of `FITS`."""

    def __call__(self, data: Encoded, uniform: Sequence[float], out: np.ndarray) -> None:
        """Fills `out`, (size, size, channels) uint8.

        Raises:
            UnreadableError: for what is no whole image; `out` is as it was.
        """
        (self._with_pillow if self.decoder == "pil" else self._fast)(data, uniform, out)

    def box(self, height: int, width: int, uniform: Sequence[float]) -> Box:
        """Returns the first of ten random boxes that fits, else the largest central box of an allowed aspect."""
        low, high = (math.log(end) for end in self.ratio)
        for share, shape, down, across in zip(*[iter(uniform)] * 4, strict=True):
            area = height * width * (self.scale[0] + (self.scale[1] - self.scale[0]) * share)
            aspect = math.exp(low + (high - low) * shape)
            w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < w <= width and 0 < h <= height:
                return int(down * (height - h + 1)), int(across * (width - w + 1)), h, w
        return self._central(height, width)

    def shrink(self, height: int, width: int, uniform: Sequence[float]) -> int:
        """Returns the factor, 1, 2, 4 or 8, by which an image may be decoded smaller, its box staying large."""
        part, place = self._cut(height, width, uniform)
        spare = min(part[2] // place[2], part[3] // place[3]) if place else 8
        return 2 ** min(max(spare, 1).bit_length() - 1, 3)

    def _central(self, height: int, width: int) -> Box:
        aspect = min(max(width / height, self.ratio[0]), self.ratio[1])
        w, h = min(width, round(height * aspect)), min(height, round(width / aspect))
        return (height - h) // 2, (width - w) // 2, h, w

    def _cut(self, height: int, width: int, uniform: Sequence[float]) -> tuple[Box, Box | None]:
        """Returns the part of an image in its box, and the part of the square that it fills; None if it is black."""
        square = 0, 0, self.size, self.size
        if self.fit == "crop":
            return self.box(height, width, uniform), square
        side = max(height, width)
        top, left, h, w = self.box(side, side, uniform)
        cut = _of_padded if self.fit == "pad" else _of_stretched
        rows, columns = cut(top, h, height, side, self.size), cut(left, w, width, side, self.size)
        if not (rows and columns):
            return square, None
        (y, tall, down, high), (x, wide, right, broad) = rows, columns
        return (y, x, tall, wide), (down, right, high, broad)

    def _with_pillow(self, data: Encoded, uniform: Sequence[float], out: np.ndarray) -> None:
        image = decode(data, self.channels)
        (top, left, h, w), place = self._cut(image.height, image.width, uniform)
        window = _window(out, place)
        if window.size:
            box = left, top, left + w, top + h
            window[...] = to_array(image.resize(window.shape[1::-1], Image.Resampling.BILINEAR, box=box))

    def _fast(self, data: Encoded, uniform: Sequence[float], out: np.ndarray) -> None:
        image, (height, width) = decode_fast(data, self.channels, lambda h, w: self.shrink(h, w, uniform))
        (top, left, h, w), place = self._cut(height, width, uniform)
        y, x = image.shape[0] / height, image.shape[1] / width
        part = image[_scaled(top, h, y), _scaled(left, w, x)]
        window = _window(out, place)
        if window.size:
            grey = self.channels == 1  # OpenCV drops the axis
            cv2.resize(part, window.shape[1::-1], window[..., 0] if grey else window, interpolation=cv2.INTER_LINEAR)


def _scaled(start: int, length: int, scale: float) -> slice:
    first = round(start * scale)
    return slice(first, max(round((start + length) * scale), first + 1))


def _of_stretched(start: int, length: int, real: int, side: int, size: int) -> tuple[int, int, int, int]:
    """Returns (start, length) of the pixels in a box of a stretched image, and (start, length) that they fill.

    Args:
        start: of the box, along one axis of the square.
        length: of the box.
        real: pixels of the image along this axis.
        side: of the square.
        size: of the result.
    """
    first = min(round(start * real / side), real - 1)
    return first, max(round((start + length) * real / side) - first, 1), 0, size


def _of_padded(start: int, length: int, real: int, side: int, size: int) -> tuple[int, int, int, int] | None:
    """Returns the same for a padded image, whose pixels are in the middle; None if the box has none of them.

    Args:
        start: as of `_of_stretched`.
        length: likewise.
        real: likewise.
        side: likewise.
        size: likewise.
    """
    before = (side - real) // 2
    first, last = max(start, before), min(start + length, before + real)
    if first >= last:
        return None
    place = min(round((first - start) * size / length), size - 1)
    return first - before, last - first, place, max(round((last - start) * size / length) - place, 1)


def _window(out: np.ndarray, place: Box | None) -> np.ndarray:
    """Returns the part of a square that is to be filled, and makes the rest black."""
    top, left, height, width = place or (0, 0, 0, 0)
    if (height, width) != out.shape[:2]:
        out[...] = 0
    return out[top : top + height, left : left + width]

"""From an image of any size to a square: how evaluation does it, always, and how training may. Imports no JAX.

Evaluation: Pillow decodes; the image is resized, bilinear and antialiased, as `FITS` says, and the middle is cut out.
Training by the decoder "pil" resizes likewise. By "simplejpeg", libjpeg-turbo decodes, up to 8 times smaller where
the crop stays large enough, and OpenCV resizes, bilinear and not antialiased, by less than 2: twice as fast.
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
"""How an image that is not square becomes one: its ends are cut off, it gets black bars, or its sides become equal."""
Box = tuple[int, int, int, int]
"""(top, left, height, width) in pixels."""
_TRIES = 10
DRAWS = 4 * _TRIES
"""Uniform numbers that a crop may need."""


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
        """Fills `out`, (size, size, channels) uint8; chance comes from `uniform`, DRAWS numbers in [0, 1)."""


@dataclasses.dataclass(frozen=True)
class ToSquare:
    """Resizes an image and cuts the middle out, with torchvision's roundings."""

    size: int
    channels: int
    fraction: float = 1.0
    """Side of the square as a part of what the image is resized to: its short side, its long one to "pad", or both."""
    fit: str = "crop"
    """One of `FITS`."""

    @property
    def decoder(self) -> str:
        """Pillow: what is evaluated must not depend on what else is installed."""
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
            image = image.resize((width, height), Image.Resampling.BILINEAR)
        left, top = round((width - self.size) / 2), round((height - self.size) / 2)
        out[...] = to_array(image.crop((left, top, left + self.size, top + self.size)))  # black beyond the image's ends

    def _resized(self, width: int, height: int) -> tuple[int, int]:
        """Returns (width, height) of what an image is resized to."""
        side = round(self.size / self.fraction)
        if self.fit == "stretch":
            return side, side
        whole = max(width, height) if self.fit == "pad" else min(width, height)
        return max(side * width // whole, 1), max(side * height // whole, 1)


@dataclasses.dataclass(frozen=True)
class RandomResizedCrop:
    """Cuts a box of random area, aspect and place out of an image and resizes it (Szegedy et al., 2015, section 6).

    To "pad" or "stretch", the box is one of the square that the whole image becomes.
    """

    size: int
    channels: int
    scale: tuple[float, float] = (0.08, 1.0)
    """Of the box's area as a part of the image's."""
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    """Of the box's width to its height."""
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
        """Returns the box: the first of ten that fits; else the largest central one of an allowed aspect."""
        low, high = (math.log(end) for end in self.ratio)
        for share, shape, down, across in zip(*[iter(uniform)] * 4, strict=True):
            area = height * width * (self.scale[0] + (self.scale[1] - self.scale[0]) * share)
            aspect = math.exp(low + (high - low) * shape)
            w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < w <= width and 0 < h <= height:
                return int(down * (height - h + 1)), int(across * (width - w + 1)), h, w
        return self._central(height, width)

    def shrink(self, height: int, width: int, uniform: Sequence[float]) -> int:
        """Returns how many times smaller an image may be decoded, 1, 2, 4 or 8, its box staying large enough."""
        part, place = self._cut(height, width, uniform)
        spare = min(part[2] // place[2], part[3] // place[3]) if place else 8
        return 2 ** min(max(spare, 1).bit_length() - 1, 3)

    def _central(self, height: int, width: int) -> Box:
        aspect = min(max(width / height, self.ratio[0]), self.ratio[1])
        w, h = min(width, round(height * aspect)), min(height, round(width / aspect))
        return (height - h) // 2, (width - w) // 2, h, w

    def _cut(self, height: int, width: int, uniform: Sequence[float]) -> tuple[Box, Box | None]:
        """Returns which part of an image is seen, and which part of the square it fills: None where that is black."""
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
    """Returns (start, length) of what a box of the square, `side` wide, shows of `real` pixels, and what that fills."""
    first = min(round(start * real / side), real - 1)
    return first, max(round((start + length) * real / side) - first, 1), 0, size


def _of_padded(start: int, length: int, real: int, side: int, size: int) -> tuple[int, int, int, int] | None:
    """Likewise, where the pixels lie in the middle of the square; None where the box shows none of them."""
    before = (side - real) // 2
    first, last = max(start, before), min(start + length, before + real)
    if first >= last:
        return None
    place = min(round((first - start) * size / length), size - 1)
    return first - before, last - first, place, max(round((last - start) * size / length) - place, 1)


def _window(out: np.ndarray, place: Box | None) -> np.ndarray:
    """Returns the part of a square that is to be filled, all else being made black."""
    top, left, height, width = place or (0, 0, 0, 0)
    if (height, width) != out.shape[:2]:
        out[...] = 0
    return out[top : top + height, left : left + width]

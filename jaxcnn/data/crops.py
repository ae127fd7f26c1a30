"""From an image of any size to a square: how evaluation does it, always, and how training may. Imports no JAX.

Evaluation: Pillow decodes; the short side becomes `size / fraction` pixels, bilinear and antialiased; the middle is cut
out. Training by the decoder "pil" resizes likewise. By "simplejpeg", libjpeg-turbo decodes, up to 8 times smaller where
the crop stays large enough, and OpenCV resizes, bilinear and not antialiased, by less than 2: twice as fast.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np
from PIL import Image

from jaxcnn.data.decode import MOST_PIXELS, Encoded, UnreadableError, decode, decode_fast
from jaxcnn.data.transforms import to_array

DECODERS = ("simplejpeg", "pil")
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
class CentreCrop:
    """Resizes the short side to `size / fraction` pixels and cuts the middle out, with torchvision's roundings."""

    size: int
    channels: int
    fraction: float = 1.0

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
        short = round(self.size / self.fraction)
        width, height = (short * side // min(image.size) for side in image.size)
        if width * height > MOST_PIXELS:
            raise UnreadableError(f"{image.width:,} x {image.height:,} pixels are too long to be resized")
        if (width, height) != image.size:
            image = image.resize((width, height), Image.Resampling.BILINEAR)
        left, top = round((width - self.size) / 2), round((height - self.size) / 2)
        out[...] = to_array(image)[top : top + self.size, left : left + self.size]


@dataclasses.dataclass(frozen=True)
class RandomResizedCrop:
    """Cuts a box of random area, aspect and place out of an image and resizes it (Szegedy et al., 2015, section 6)."""

    size: int
    channels: int
    scale: tuple[float, float] = (0.08, 1.0)
    """Of the box's area as a part of the image's."""
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    """Of the box's width to its height."""
    decoder: str = "simplejpeg"

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
        spare = min(self.box(height, width, uniform)[2:]) // self.size
        return 2 ** min(max(spare, 1).bit_length() - 1, 3)

    def _central(self, height: int, width: int) -> Box:
        aspect = min(max(width / height, self.ratio[0]), self.ratio[1])
        w, h = min(width, round(height * aspect)), min(height, round(width / aspect))
        return (height - h) // 2, (width - w) // 2, h, w

    def _with_pillow(self, data: Encoded, uniform: Sequence[float], out: np.ndarray) -> None:
        image = decode(data, self.channels)
        top, left, h, w = self.box(image.height, image.width, uniform)
        square = self.size, self.size
        out[...] = to_array(image.resize(square, Image.Resampling.BILINEAR, box=(left, top, left + w, top + h)))

    def _fast(self, data: Encoded, uniform: Sequence[float], out: np.ndarray) -> None:
        image, (height, width) = decode_fast(data, self.channels, lambda h, w: self.shrink(h, w, uniform))
        top, left, h, w = self.box(height, width, uniform)
        y, x = image.shape[0] / height, image.shape[1] / width
        part = image[round(top * y) : round((top + h) * y), round(left * x) : round((left + w) * x)]
        grey = self.channels == 1  # OpenCV drops the axis
        cv2.resize(part, (self.size, self.size), out[..., 0] if grey else out, interpolation=cv2.INTER_LINEAR)

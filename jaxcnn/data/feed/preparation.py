"""How an image becomes the input of a trained net: decoded, made a square, whitened."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxcnn.data.feed.pipeline import whiten
from jaxcnn.data.read.crops import ToSquare
from jaxcnn.data.read.decode import Encoded, Photograph
from jaxcnn.data.read.predicting import resampling_of
from jaxcnn.types import Array


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Preparation:
    """How a net learnt to see an image, and what makes its input of a new one."""

    preprocessing: Mapping[str, Any]
    """As `jaxcnn.data.read.predicting.for_predicting` returns it."""
    data: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Facts about the data that it learnt from, of the card of a run; of imported weights there are none."""

    @property
    def square(self) -> ToSquare:
        """Makes what the net sees of an image."""
        known = self.preprocessing
        size, channels, fraction, fit = (known[key] for key in ("image_size", "channels", "crop_fraction", "fit"))
        return ToSquare(size, channels, fraction, fit, resampling_of(known))

    def encoded(self, content: bytes) -> Encoded:
        """Returns an image file as it is decoded: turned upright, unless the net learnt from files as stored."""
        if str(self.data.get("orientation", "upright")).startswith("upright"):
            return Photograph(content, self.data.get("levels", {}))
        return content

    def whitened(self, image: Array | np.ndarray) -> Array:
        """Returns the input of the net, float32, for squares (batch, size, size, channels) uint8; may be traced."""
        mean, std = (np.array(self.preprocessing[key], np.float32) for key in ("mean", "std"))
        return whiten(image, mean, std)

    def told(self) -> str:
        """Returns in words how an image becomes the net's input."""
        known, kind = self.preprocessing, "grey" if self.preprocessing["channels"] == 1 else "RGB"
        part = {"pad": "padded to a square", "stretch": "stretched to a square"}.get(known["fit"], "centre crop")
        if known["fit"] == "crop" and known["crop_fraction"] < 1:
            part += f" of {known['crop_fraction']:.1%} of the shorter side"
        return f"{known['image_size']} x {known['image_size']} px {kind}, {part}, {known['filter']}"

"""A trained net, and what it says of an image."""

import dataclasses
import functools
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from ml_collections import ConfigDict

from jaxcnn.augment.views import over_views, parse_views
from jaxcnn.data.feed.preparation import Preparation
from jaxcnn.data.read.decode import Encoded, UnreadableError
from jaxcnn.errors import UserError
from jaxcnn.types import Array, Variables


@dataclasses.dataclass(frozen=True, eq=False)
class LoadedRun:
    """What `load_run` gives: `model, variables, card = load_run(...)`, or by name."""

    model: nn.Module
    """Called as `model.apply(variables, image, train=False)`."""
    variables: Variables
    """What the run evaluated: the moving average where it kept one."""
    card: Mapping[str, Any]
    """run.json."""
    config: ConfigDict
    """Of the run."""
    step: int
    """Of the checkpoint, or that at which the average was complete."""
    folder: str = ""
    """Of the run, or its address."""
    states: int = 1
    """Number of states of the run that the parameters are the mean of: above 1 for the averaged net."""

    def __iter__(self) -> Iterator[Any]:
        return iter((self.model, self.variables, self.card))

    def predict(self, image: str | os.PathLike[str] | np.ndarray) -> dict[str, float]:
        """Returns the probability of each class by its name, the most likely first.

        The image is made a square, whitened and looked at in the views that the run evaluates by. Of a run on `binary`
        losses the probabilities are of each class alone, and have no sum.

        Args:
            image: path of an image file, or pixels, uint8 (height, width[, 1 or 3]).

        Raises:
            UserError: for what is no image, or a run whose data made their own batches.
        """
        shares = jax.device_get(self._forward(self.variables, self.prepare(image)))[0]
        named = zip(self.card["data"]["class_names"], shares.tolist(), strict=False)
        return dict(sorted(named, key=lambda pair: -pair[1]))

    def prepare(self, image: str | os.PathLike[str] | np.ndarray) -> Array:
        """Returns what the net is given of an image, (1, height, width, channels) float32; as `predict`."""
        preparation = self.preparation
        square = preparation.square
        pixels = np.empty((square.size, square.size, square.channels), np.uint8)
        try:
            square(_encoded(preparation, image), (), pixels)
        except UnreadableError as error:
            what = f"an array of {image.dtype} {image.shape}" if isinstance(image, np.ndarray) else image
            raise UserError(f"{what} is no image that can be read: {error}") from None
        return preparation.whitened(pixels[None])

    @property
    def preparation(self) -> Preparation:
        """How an image becomes the input; raises `UserError` for a run whose data made their own batches."""
        data = self.card["data"]
        if data.get("preprocessing") is None:
            raise UserError("the data of this run made their own batches: how an image becomes one is unknown")
        return Preparation(preprocessing=data["preprocessing"], data=data)

    @functools.cached_property
    def _forward(self) -> Callable[[Variables, Array], Array]:
        apply_fn = over_views(self.model.apply, parse_views(self.config.eval_views))
        shares = jax.nn.sigmoid if self.config.loss.name == "binary" else jax.nn.softmax
        return jax.jit(lambda variables, image: shares(apply_fn(variables, image, train=False)))


def _encoded(preparation: Preparation, image: str | os.PathLike[str] | np.ndarray) -> Encoded:
    """Returns an image as it is decoded; raises `UserError` for an array or a file that is none."""
    if isinstance(image, np.ndarray):
        pixels = image[..., None] if image.ndim == 2 else image
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[-1] not in (1, 3):
            raise UserError(
                f"the image is {image.dtype} {image.shape}: it must be uint8 (height, width[, 1 or 3]), 0 to 255"
            )
        return pixels
    try:
        return preparation.encoded(Path(image).expanduser().read_bytes())
    except OSError as error:
        raise UserError(f"{image} cannot be read: {error.strerror}") from None

"""A net whose convolutions may have anything around the image, for `--models experiments.padding.net:Bordered`."""

import functools
from collections.abc import Sequence
from typing import Any

import flax.linen as nn

from jaxcnn.layers.init import he_normal
from jaxcnn.layers.pool import MaxPool
from jaxcnn.models.lenet import LeNet
from jaxcnn.parts import Part
from jaxcnn.types import ModuleDef


class Bordered(LeNet, kw_only=True):
    """Three times 3x3 convolution, batch norm, ReLU and 2x2 max pooling; then a dense layer and the classifier.

    Attributes:
        border: what is around the maps: "zero", "reflect" or "edge"; "none" for convolutions without padding, whose
            maps shrink.
    """

    features: Sequence[int] = (16, 32, 64)
    hidden: Sequence[int] = (64,)
    kernel_size: int = 3
    padding: int = 1
    pool: ModuleDef = MaxPool
    smallest_image: int = 1
    kernel_init: nn.initializers.Initializer = he_normal
    act: Part = "relu"
    norm: Part = "batch"
    border: str = "zero"

    def conv_before_norm(self, **fields: Any) -> ModuleDef:
        """Returns the convolution with the border that was asked for."""
        made = super().conv_before_norm(**fields)
        return (
            functools.partial(made, padding=0) if self.border == "none" else functools.partial(made, fill=self.border)
        )

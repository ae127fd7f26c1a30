"""The facts about a model that are known before it is built."""

import dataclasses
from collections.abc import Callable

from jaxcnn.models.net import Net


@dataclasses.dataclass(frozen=True)
class Variant:
    """One named model of a family. Variants are data, so that a family is a table of sizes and not of subclasses."""

    constructor: Callable[..., Net]
    """Takes num_classes, norm, norm_options, act, stem, dtype, dropout_rate and the family's own fields."""
    paper: str
    year: int
    image_size: int = 224
    """Height and width of the paper's images, in pixels."""
    channels: int = 3
    num_classes: int = 1000
    parameters: int | None = None
    """Number of parameters at `image_size`, `channels` and `num_classes`: published, or counted by hand from the
    paper."""

"""What the registry knows of a model before it is built."""

import dataclasses
from collections.abc import Callable

from jaxcnn.models.net import Net


@dataclasses.dataclass(frozen=True)
class Variant:
    """One named member of a family: data, so that a family's sizes are a table and not subclasses."""

    constructor: Callable[..., Net]
    """Takes num_classes, norm, norm_options, act, stem, dtype, dropout_rate and the family's own fields."""
    paper: str
    year: int
    image_size: int = 224
    """Height and width, in pixels, that the paper trains at."""
    channels: int = 3
    num_classes: int = 1000
    parameters: int | None = None
    """Published, or counted by hand from the paper, at `image_size`, `channels` and `num_classes`."""

"""What a run does with images: which ones, in which order, and what becomes of them."""

import dataclasses

from jaxcnn.augment import Augment
from jaxcnn.augment.calls import Call
from jaxcnn.augment.views import Views

SMALL_STEM = 64
"""Side in pixels of the largest images that a net with `model.stem = "small"` is for."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Feeding:
    """Which images a run reads, what squares and batches they become, and how they are augmented."""

    name: str
    """Of the data set: a word or a path."""
    dir: str | None
    validation: float | None
    test: float | None
    split_seed: int
    model: str
    """What the net is called where its size of image is meant."""
    photograph: int
    """Side in pixels of the squares that images without a common size become: what the model is made for."""
    image_size: int | None
    fit: str
    crop_fraction: float | None
    channels: int | None
    """1 (grey) or 3 (RGB), as which images are read; None for the data's own."""
    filter: str | None
    """One of `jaxcnn.data.read.crops.RESAMPLINGS`; None for bilinear."""
    mean: tuple[float, ...]
    """Of each channel, where white is 1; empty for that of the data."""
    std: tuple[float, ...]
    """Standard deviation likewise."""
    statistics: str
    """Where `mean` and `std` come from, for the run card."""
    calls: tuple[Call, ...]
    """The augmentations of the config."""
    augment: Augment | None
    """An augmentation that follows them."""
    repeats: int
    views: Views
    """Of evaluation."""
    placement: str
    decoder: str
    workers: int
    skip: bool
    """Whether unreadable images are left out."""
    batch_size: int
    """Examples in a training step, over all devices."""
    steps_per_dispatch: int | None
    seed: int
    num_seeds: int

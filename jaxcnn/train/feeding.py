"""What a config says of the images of a run, read once."""

import dataclasses

from ml_collections import FrozenConfigDict

from jaxcnn.augment import Augment, parse_calls
from jaxcnn.augment.calls import Call
from jaxcnn.augment.views import Views, parse_views
from jaxcnn.models import model_image_size
from jaxcnn.parts import Part, part_name

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


def feeding_of(config: FrozenConfigDict, *, model: Part | None = None, augment: Augment | None = None) -> Feeding:
    """Returns what a config says of its images.

    Args:
        config: of the run.
        model: that was handed over in place of the config's.
        augment: that was handed over.

    Raises:
        UserError: for augmentations or views that cannot be read.
    """
    d, asked = config.data, config.model.name if model is None else model
    small, size = config.model.stem == "small", model_image_size(asked)
    return Feeding(
        name=d.name,
        dir=d.dir,
        validation=d.validation,
        test=d.test,
        split_seed=config.seed if d.split_seed is None else d.split_seed,
        model=part_name(asked) + (" with a small stem" if small else ""),
        photograph=min(size, SMALL_STEM) if small else size,
        image_size=d.image_size,
        fit=d.fit,
        crop_fraction=d.crop_fraction,
        calls=parse_calls(d.augment),
        augment=augment,
        repeats=d.repeats,
        views=parse_views(config.eval_views),
        placement=d.placement,
        decoder=d.decoder,
        workers=d.workers,
        skip=d.on_error == "skip",
        batch_size=config.batch_size,
        steps_per_dispatch=config.steps_per_dispatch,
        seed=config.seed,
        num_seeds=config.num_seeds,
    )

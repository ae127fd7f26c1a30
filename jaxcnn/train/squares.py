"""The squares that a net gets in a run: their size and shape, and remarks about them and the data."""

import jax
import jax.numpy as jnp
from ml_collections import FrozenConfigDict

from jaxcnn.augment import Augment, Draw, chain, parse_augment
from jaxcnn.augment.views import parse_views
from jaxcnn.data.read.crops import ToSquare
from jaxcnn.data.read.dataset import Dataset
from jaxcnn.data.read.remarks import of_labels, of_sizes, of_view
from jaxcnn.errors import UserError
from jaxcnn.models import model_image_size
from jaxcnn.parts import part_name
from jaxcnn.train.parts.shapes import shapes_of
from jaxcnn.types import Array

SMALL_STEM = 64
"""Side in pixels of the largest images that a net with `model.stem = "small"` is for."""
_OWN = 2**20
"""Folded into the keys of a user's augmentation, so that its random numbers differ from those of the config's."""


def train_batch(
    config: FrozenConfigDict, dataset: Dataset, num_classes: int, own: Augment | None = None
) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns the shapes and dtypes of a training batch: `image` and `label`.

    Args:
        config: of the run.
        dataset: of the run.
        num_classes: outputs of the model.
        own: an augmentation that follows those of the config.

    Raises:
        UserError: for an augmentation or views that do not fit the images.
    """
    shape = stored_shape(config, dataset)
    if own is not None:
        own = _checked(own)
    augment = extended(parse_augment(config.data.augment, num_classes, (0.5,) * shape[-1]), own)
    images = jax.ShapeDtypeStruct((config.batch_size, *shape), jnp.float32)
    labels = jax.ShapeDtypeStruct((config.batch_size,), jnp.int32)
    draw = jax.eval_shape(lambda: Draw.of(jax.random.key(0), config.batch_size))
    image, label = jax.eval_shape(augment, draw, images, labels)
    jax.eval_shape(parse_views(config.eval_views), images)
    return {"image": image, "label": label}


def _checked(own: Augment) -> Augment:
    """Returns an augmentation that, traced, raises `UserError` where it does not return images and labels."""

    def augment(draw: Draw, images: Array, labels: Array) -> tuple[Array, Array]:
        found = shapes_of("augment", own, draw, images, labels)
        shapes = [getattr(each, "shape", ()) for each in found] if isinstance(found, tuple) else []
        if len(shapes) != 2 or len(shapes[0]) != 4 or shapes[0][:1] != images.shape[:1] or not shapes[1]:
            raise UserError(f"augment {part_name(own)} must return (images, labels), as many as it is given")
        return own(draw, images, labels)

    return augment


def extended(augment: Augment, own: Augment | None) -> Augment:
    """Returns an augmentation followed by another one, which has keys of its own."""
    if own is None:
        return augment

    def both(draw: Draw, images: Array, labels: Array) -> tuple[Array, Array]:
        images, labels = augment(draw, images, labels)
        return chain(own)(draw.fold(_OWN), images, labels)

    return both


def make_square(config: FrozenConfigDict, dataset: Dataset) -> ToSquare:
    """Returns the crop that makes the squares of evaluation; images without a common size get the model's."""
    d = config.data
    return dataset.square(d.image_size, d.crop_fraction, d.fit, photograph=_size_of_model(config))


def stored_shape(config: FrozenConfigDict, dataset: Dataset) -> tuple[int, int, int]:
    """Returns (height, width, channels) of the squares."""
    crop = make_square(config, dataset)
    return crop.size, crop.size, crop.channels


def _size_of_model(config: FrozenConfigDict) -> int:
    """Returns the side in pixels of the model's images."""
    size = model_image_size(config.model.name)
    return min(size, SMALL_STEM) if config.model.stem == "small" else size


def remarks(config: FrozenConfigDict, dataset: Dataset, num_classes: int, *, zoomed: bool) -> list[str]:
    """Returns sentences about decisions that were made for the user in the data, and about what the data lack.

    Args:
        config: of the run.
        dataset: of the run.
        num_classes: outputs of the model.
        zoomed: whether training crops differ from those of evaluation.
    """
    labels = {split: source.labels for split, source in dataset.sources.items()}
    found = [*dataset.remarks, *of_labels(labels, dataset.class_names), *of_sizes(dataset.sizes)]
    spare = num_classes - len(dataset.class_names)
    outputs = [f"model.num_classes is {num_classes}, of which {spare:,} outputs have no class"] if spare else []
    return [*found, *_of_squares(config, dataset, zoomed=zoomed), *outputs]


def _of_squares(config: FrozenConfigDict, dataset: Dataset, *, zoomed: bool) -> list[str]:
    crop = make_square(config, dataset)
    view = of_view(crop, dataset.shape, alike=dataset.alike)
    remarks = [f"in evaluation, {view}" if zoomed else view] if view else []
    if dataset.shape[0] is None and config.data.image_size is None:
        name = config.model.name + (" with a small stem" if config.model.stem == "small" else "")
        remarks.append(f"images become {crop.size}x{crop.size}, the size of {name}: data.image_size sets another")
    return remarks

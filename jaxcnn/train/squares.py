"""The squares that a net gets in a run: their size and shape, and remarks about them and the data."""

import dataclasses

import jax
import jax.numpy as jnp

from jaxcnn.augment import Augment, Draw, chain
from jaxcnn.data.read.crops import ToSquare
from jaxcnn.data.read.dataset import Dataset
from jaxcnn.data.read.remarks import of_labels, of_sizes, of_view
from jaxcnn.errors import UserError
from jaxcnn.parts import is_path, part_name
from jaxcnn.train.feeding import Feeding
from jaxcnn.train.parts.shapes import shapes_of
from jaxcnn.types import Array

_OWN = 2**20
"""Folded into the keys of a user's augmentation, so that its random numbers differ from those of the config's."""


def train_batch(feeding: Feeding, dataset: Dataset, num_classes: int) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns the shapes and dtypes of a training batch: `image` and `label`.

    Args:
        feeding: of the run.
        dataset: of the run.
        num_classes: outputs of the model.

    Raises:
        UserError: for an augmentation or views that do not fit the images.
    """
    shape, size = stored_shape(feeding, dataset), feeding.batch_size
    own = None if feeding.augment is None else _checked("augment", part_name(feeding.augment), feeding.augment)
    made = ((call.name, call.make(num_classes=num_classes, mean=(0.5,) * shape[-1])) for call in feeding.calls)
    called = (_checked("data.augment", name, each) if is_path(name) else each for name, each in made)
    augment = extended(chain(*called), own)
    images = jax.ShapeDtypeStruct((size, *shape), jnp.float32)
    labels = jax.ShapeDtypeStruct((size,), jnp.int32)
    draw = jax.eval_shape(lambda: Draw.of(jax.random.key(0), size))
    image, label = jax.eval_shape(augment, draw, images, labels)
    jax.eval_shape(feeding.views, images)
    return {"image": image, "label": label}


def _checked(what: str, name: str, own: Augment) -> Augment:
    """Returns an augmentation that raises `UserError` when it is traced, if it does not return images and labels."""

    def augment(draw: Draw, images: Array, labels: Array) -> tuple[Array, Array]:
        found = shapes_of(what, own, draw, images, labels)
        shapes = [getattr(each, "shape", ()) for each in found] if isinstance(found, tuple) else []
        if len(shapes) != 2 or len(shapes[0]) != 4 or shapes[0][:1] != images.shape[:1] or not shapes[1]:
            raise UserError(f"{what} {name} must return (images, labels), as many as it is given")
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


def make_square(feeding: Feeding, dataset: Dataset) -> ToSquare:
    """Returns the crop that makes the squares of evaluation; images without a common size get the model's."""
    square = dataset.square(feeding.image_size, feeding.crop_fraction, feeding.fit, photograph=feeding.photograph)
    channels, resampling = feeding.channels or square.channels, feeding.filter or square.resampling
    return dataclasses.replace(square, channels=channels, resampling=resampling)


def stored_shape(feeding: Feeding, dataset: Dataset) -> tuple[int, int, int]:
    """Returns (height, width, channels) of the squares."""
    crop = make_square(feeding, dataset)
    return crop.size, crop.size, crop.channels


def remarks(feeding: Feeding, dataset: Dataset, num_classes: int, *, zoomed: bool) -> list[str]:
    """Returns sentences about decisions that were made for the user in the data, and about what the data lack.

    Args:
        feeding: of the run.
        dataset: of the run.
        num_classes: outputs of the model.
        zoomed: whether training crops differ from those of evaluation.
    """
    labels = {split: source.labels for split, source in dataset.sources.items()}
    found = [*dataset.remarks, *of_labels(labels, dataset.class_names), *of_sizes(dataset.sizes)]
    spare = num_classes - len(dataset.class_names)
    outputs = [f"model.num_classes is {num_classes}, of which {spare:,} outputs have no class"] if spare else []
    return [*found, *_of_squares(feeding, dataset, zoomed=zoomed), *outputs]


def _of_squares(feeding: Feeding, dataset: Dataset, *, zoomed: bool) -> list[str]:
    crop = make_square(feeding, dataset)
    view = of_view(crop, dataset.shape, alike=dataset.alike)
    remarks = [f"in evaluation, {view}" if zoomed else view] if view else []
    if dataset.shape[0] is None and feeding.image_size is None:
        size = f"{crop.size}x{crop.size}"
        remarks.append(f"images become {size}, the size of {feeding.model}: data.image_size sets another")
    return remarks

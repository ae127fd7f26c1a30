"""The data of a run: which images, and the facts that the card records."""

import dataclasses
import functools
import hashlib
from typing import Any

import numpy as np
from jax.sharding import Mesh

from jaxcnn.data.feed.given import BATCHES, Batches, GivenPipeline
from jaxcnn.data.read.dataset import Dataset
from jaxcnn.data.read.predicting import filter_of, for_predicting
from jaxcnn.data.read.sources import ARRAYS, array_dataset, open_dataset
from jaxcnn.errors import UserError
from jaxcnn.parts import find_part, is_path, required_positions
from jaxcnn.train.devices.mesh import split_over_batch
from jaxcnn.train.feeding import Feeding
from jaxcnn.train.placing import Inputs, Plan, check_one_at_a_time, placed
from jaxcnn.train.squares import make_square, remarks


def open_data(feeding: Feeding, data: Any | None) -> Dataset | Batches:
    """Returns the data set that a config names, or `data`: a data set, `Batches`, or what `array_dataset` takes.

    Nothing is decoded.

    Raises:
        UserError: for anything that is wrong with it, in one line.
    """
    name = feeding.name
    division: dict[str, Any] = {"validation": feeding.validation, "test": feeding.test, "seed": feeding.split_seed}
    data = _called(name) if data is None and is_path(name) else data
    if isinstance(data, Dataset | Batches):
        return data
    if data is not None:
        return array_dataset(data, name=name, **division)
    if name in (ARRAYS, BATCHES):
        raise UserError(f"data.name is {name!r}: they are given as train_and_evaluate(config, workdir, data=...)")
    return open_dataset(name, data_dir=feeding.dir, **division)


def _called(path: str) -> Any:
    """Returns the data from a user's function."""
    make = find_part("data set", path, {})
    if required_positions(make):
        raise UserError(f"data set {path!r} is called without arguments, and needs {required_positions(make)}")
    return make()


def check_reading(feeding: Feeding, data: Dataset | Batches) -> None:
    """Raises `UserError` where the channels of the config, or its mean and deviation, are not those of images."""
    mean, std, channels = feeding.mean, feeding.std, feeding.channels
    if isinstance(data, Batches):
        if mean or std or channels:
            raise UserError(
                f"data.{'channels' if channels else 'mean'} is given: data that make their own batches do so"
            )
        return
    if channels == 2:
        raise UserError("data.channels is 2: images are read as grey, 1, or as RGB, 3")
    if bool(mean) != bool(std):
        raise UserError("data.mean and data.std go together: the one is subtracted, and the other divides")
    channels = channels or data.shape[-1]
    for name, values in (("data.mean", mean), ("data.std", std)):
        if values and len(values) != channels:
            raise UserError(f"{name} has {len(values)} numbers, and images of {data.name} have {channels} channels")


def make_inputs(feeding: Feeding, dataset: Dataset | Batches, mesh: Mesh, *, num_classes: int, steps: int) -> Inputs:
    """Returns the pipeline for a data set, on the device or streaming to it.

    Args:
        feeding: of the run.
        dataset: of the run.
        mesh: of devices.
        num_classes: outputs of the model, for augmentations that mix labels.
        steps: of the whole run.

    Raises:
        UserError: for images that cannot be read, or a stream with several steps at a time.
    """
    if isinstance(dataset, Batches):
        return _given(feeding, dataset, mesh)
    crop = make_square(feeding, dataset)
    plan = Plan(feeding=feeding, dataset=dataset, mesh=mesh, crop=crop, num_classes=num_classes, steps=steps)
    placement, inputs = placed(plan)
    recipe = inputs.pipeline.recipe
    facts = {
        "name": dataset.name,
        "dir": dataset.dir,
        "classes": len(dataset.class_names),
        "examples": dataset.sizes,
        "partial": dataset.partial,
        "unlabelled": list(dataset.unlabelled),
        "remarks": remarks(feeding, dataset, num_classes, zoomed=inputs.crop is not crop),
        "orientation": "upright, as EXIF says" if dataset.upright else "as stored",
        "placement": placement,
    }
    known = for_predicting(
        dataset.class_names,
        image_size=crop.size,
        channels=crop.channels,
        mean=recipe.mean.tolist(),
        std=recipe.std.tolist(),
        statistics=plan.statistics[1],
        fit=crop.fit,
        crop_fraction=crop.fraction,
        filter=filter_of(crop.resampling),
    )
    ids = {"class_ids": list(dataset.class_ids)} if dataset.class_ids else {}
    levels = {"levels": {kind: list(span) for kind, span in dataset.levels.items()}} if dataset.levels else {}
    return dataclasses.replace(inputs, facts=facts | dict(inputs.facts) | known | ids | levels)


def _given(feeding: Feeding, data: Batches, mesh: Mesh) -> Inputs:
    """Returns the pipeline for data that make their own batches."""
    check_one_at_a_time(feeding, "data that make their own batches")
    if feeding.calls or feeding.augment:
        asked = "augment is given" if feeding.augment else f"data.augment has {feeding.calls[0].name}"
        raise UserError(f"{asked}: data that make their own batches augment them")
    first, digest = data.first(feeding.batch_size), hashlib.sha256(repr((data.sizes, data.class_names)).encode())
    for array in first.values():
        digest.update(f"{array.dtype} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    facts = {
        "name": data.name,
        "dir": None,
        "classes": len(data.class_names),
        "class_names": list(data.class_names),
        "preprocessing": None,
        "examples": data.sizes,
        "partial": None,
        "unlabelled": [],
        "remarks": ["the data make their own batches: their order, augmentation and whitening are their own"],
        "placement": "given",
        "fingerprint": digest.hexdigest()[:16],
    }
    put = functools.partial(split_over_batch, mesh)
    return Inputs(pipeline=GivenPipeline(data, feeding.batch_size, put), crop=None, facts=facts)

"""The data of a run: which images, where they are decoded and kept, and the facts that the card records."""

import dataclasses
import functools
import hashlib
from collections.abc import Collection, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxcnn.augment import make_augment
from jaxcnn.augment.calls import Call
from jaxcnn.data.feed.given import BATCHES, Batches, GivenPipeline
from jaxcnn.data.feed.order import example_at
from jaxcnn.data.feed.pipeline import DevicePipeline, Pipeline, Recipe
from jaxcnn.data.feed.stream import StreamPipeline
from jaxcnn.data.read.crops import Crop, RandomResizedCrop, ToSquare
from jaxcnn.data.read.dataset import Dataset
from jaxcnn.data.read.hold import hold
from jaxcnn.data.read.measure import fingerprint, sampled_statistics, source_fingerprint
from jaxcnn.data.read.predicting import for_predicting
from jaxcnn.data.read.sources import ARRAYS, array_dataset, open_dataset
from jaxcnn.errors import UserError
from jaxcnn.parts import find_part, is_path, required_positions
from jaxcnn.train.devices.mesh import from_processes, on_every_device, split_over_batch
from jaxcnn.train.feeding import Feeding
from jaxcnn.train.squares import extended, make_square, remarks

DEVICE_LIMIT = 2**31
"""Most bytes of decoded images that `auto` puts on the device. It is the same on every machine, since pixels depend on
the placement."""
_HOST_CROP = "random_resized_crop"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inputs:
    """The pipeline of a run, and the facts about its data."""

    pipeline: Pipeline
    crop: Crop | None
    """Makes the training squares from stored images; None if the data make their own batches."""
    facts: Mapping[str, Any]
    """For the run card, ready for JSON; images that are skipped during training are not among them."""


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
    plan = _Plan(feeding=feeding, dataset=dataset, mesh=mesh, crop=crop, num_classes=num_classes, steps=steps)
    placement = _placement(plan)
    inputs = _on_device(plan) if placement == "device" else _streaming(plan)
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
    )
    ids = {"class_ids": list(dataset.class_ids)} if dataset.class_ids else {}
    levels = {"levels": {kind: list(span) for kind, span in dataset.levels.items()}} if dataset.levels else {}
    return dataclasses.replace(inputs, facts=facts | dict(inputs.facts) | known | ids | levels)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Plan:
    """The parts from which a pipeline is made."""

    feeding: Feeding
    dataset: Dataset
    mesh: Mesh
    crop: ToSquare
    """Of evaluation."""
    num_classes: int
    steps: int

    @functools.cached_property
    def statistics(self) -> tuple[tuple[np.ndarray, np.ndarray], str]:
        """Mean and standard deviation of each channel, and their source. They do not depend on the placement.

        The catalog's are of the whole training split at its own size; they are used for parts of it and for other sizes
        too. For other data they are of 1,000 equally spaced training images, or of all if there are fewer.
        """
        mean, std = (np.array(values, np.float32) for values in (self.dataset.mean, self.dataset.std))
        if len(mean) == self.crop.channels:
            return (mean, std), self.dataset.statistics
        sampled = sampled_statistics(self.dataset.sources["train"], self.crop, skip=self.feeding.skip)
        return sampled, "of a sample of the training split"

    def recipe(self, calls: tuple[Call, ...]) -> Recipe:
        """Returns the recipe for the device, with these augmentations."""
        mean, std = self.statistics[0]
        return Recipe(
            batch_size=self.feeding.batch_size,
            seed=self.feeding.seed,
            examples=self.dataset.sizes["train"],
            augment=extended(make_augment(calls, self.num_classes, tuple(mean.tolist())), self.feeding.augment),
            mean=mean,
            std=std,
            repeats=self.feeding.repeats,
        )


def _given(feeding: Feeding, data: Batches, mesh: Mesh) -> Inputs:
    """Returns the pipeline for data that make their own batches."""
    _check_one_at_a_time(feeding, "data that make their own batches")
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


def _check_one_at_a_time(feeding: Feeding, what: str) -> None:
    """Raises `UserError` if data that come step by step are to serve several steps or seeds at once."""
    if (feeding.steps_per_dispatch or 1) > 1:
        raise UserError(f"steps_per_dispatch is {feeding.steps_per_dispatch}: {what} take one step at a time")
    if feeding.num_seeds > 1:
        raise UserError(f"num_seeds is {feeding.num_seeds}: {what} serve one seed; set data.placement = device")


def _placement(plan: _Plan) -> str:
    if plan.feeding.placement != "auto":
        return plan.feeding.placement
    zoomed = plan.dataset.shape[0] is None and any(call.name == _HOST_CROP for call in plan.feeding.calls[:1])
    decoded = sum(plan.dataset.sizes.values()) * plan.crop.size**2 * plan.crop.channels
    return "stream" if zoomed or decoded > DEVICE_LIMIT else "device"


def _on_device(plan: _Plan) -> Inputs:
    held = {
        split: hold(source, plan.crop, skip=plan.feeding.skip, stand_in=split == "train")
        for split, source in plan.dataset.sources.items()
    }
    splits = {split: each.split for split, each in held.items()}
    arrays = {split: {"image": each.image, "label": each.label} for split, each in splits.items()}
    pipeline = DevicePipeline(
        arrays=on_every_device(plan.mesh, arrays),
        recipe=plan.recipe(plan.feeding.calls),
        skipped=_met(plan, {split: each.skipped for split, each in held.items() if each.skipped}),
    )
    return Inputs(pipeline=pipeline, crop=plan.crop, facts={"fingerprint": fingerprint(splits)})


def _met(plan: _Plan, skipped: Mapping[str, Collection[str]]) -> Mapping[str, Collection[str]]:
    """Returns the skipped images that the run would use, as a stream would have counted them at its end."""
    if "train" not in skipped:
        return skipped
    source, repeats = plan.dataset.sources["train"], plan.feeding.repeats
    seen = min(plan.steps * plan.feeding.batch_size, len(source.labels) * repeats)
    position = jnp.arange(seen, dtype=jnp.uint32)
    seeds = range(plan.feeding.seed, plan.feeding.seed + plan.feeding.num_seeds)
    order = jax.jit(example_at, static_argnums=(2, 3))
    examples = [order(np.uint32(seed), position, len(source.labels), repeats)[2] for seed in seeds]
    met = {source.name(example) for example in np.unique(np.stack(examples)).tolist()}
    return {split: met & set(names) if split == "train" else names for split, names in skipped.items()}


def _streaming(plan: _Plan) -> Inputs:
    _check_one_at_a_time(plan.feeding, "streams")
    crop, rest = _host_crop(plan)
    pipeline = StreamPipeline(
        plan.dataset.sources,
        plan.recipe(rest),
        crop=crop,
        eval_crop=plan.crop,
        steps=plan.steps,
        workers=plan.feeding.workers,
        skip=plan.feeding.skip,
        process=(jax.process_index(), jax.process_count()),
        put=functools.partial(from_processes, plan.mesh),
    )
    facts = {
        "fingerprint": source_fingerprint(plan.dataset.sources),
        "decoder": crop.decoder,
        "workers": plan.feeding.workers,
    }
    return Inputs(pipeline=pipeline, crop=crop, facts=facts)


def _host_crop(plan: _Plan) -> tuple[Crop, tuple[Call, ...]]:
    """Returns the crop that makes training squares on the host, and the augmentations that remain for the device."""
    if not plan.feeding.calls or plan.feeding.calls[0].name != _HOST_CROP:
        return plan.crop, plan.feeding.calls
    first, rest = plan.feeding.calls[0].arguments, plan.feeding.calls[1:]
    size, channels, decoder = first["size"] or plan.crop.size, plan.crop.channels, plan.feeding.decoder
    scale, ratio = tuple(first["scale"]), tuple(first["ratio"])
    return RandomResizedCrop(size, channels, scale, ratio, decoder, plan.crop.fit), rest

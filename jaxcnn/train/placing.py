"""Where the images of a run are decoded and kept: all of them on the device, or streaming to it."""

import dataclasses
import functools
from collections.abc import Collection, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxcnn.augment import make_augment
from jaxcnn.augment.calls import Call
from jaxcnn.data.feed.order import example_at
from jaxcnn.data.feed.pipeline import DevicePipeline, Pipeline, Recipe
from jaxcnn.data.feed.stream import StreamPipeline
from jaxcnn.data.read.crops import Crop, RandomResizedCrop, ToSquare
from jaxcnn.data.read.dataset import Dataset
from jaxcnn.data.read.hold import hold
from jaxcnn.data.read.measure import fingerprint, sampled_statistics, source_fingerprint
from jaxcnn.errors import UserError
from jaxcnn.train.devices.mesh import from_processes, on_every_device
from jaxcnn.train.feeding import Feeding
from jaxcnn.train.squares import extended

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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
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

        Those that are asked for come first. The catalog's are of the whole training split at its own size; they are
        used for parts of it and for other sizes too. For other data they are of 1,000 equally spaced training images,
        or of all if there are fewer.
        """
        asked = self.feeding
        if asked.mean:
            return (np.array(asked.mean, np.float32), np.array(asked.std, np.float32)), asked.statistics
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


def placed(plan: Plan) -> tuple[str, Inputs]:
    """Returns where the images of a run are kept, "device" or "stream", and the pipeline from there.

    Raises:
        UserError: for images that cannot be read, or a stream with several steps or seeds at a time.
    """
    placement = _placement(plan)
    return placement, _on_device(plan) if placement == "device" else _streaming(plan)


def check_one_at_a_time(feeding: Feeding, what: str) -> None:
    """Raises `UserError` if data that come step by step are to serve several steps or seeds at once."""
    if (feeding.steps_per_dispatch or 1) > 1:
        raise UserError(f"steps_per_dispatch is {feeding.steps_per_dispatch}: {what} take one step at a time")
    if feeding.num_seeds > 1:
        raise UserError(f"num_seeds is {feeding.num_seeds}: {what} serve one seed; set data.placement = device")


def _placement(plan: Plan) -> str:
    if plan.feeding.placement != "auto":
        return plan.feeding.placement
    zoomed = plan.dataset.shape[0] is None and any(call.name == _HOST_CROP for call in plan.feeding.calls[:1])
    decoded = sum(plan.dataset.sizes.values()) * plan.crop.size**2 * plan.crop.channels
    return "stream" if zoomed or decoded > DEVICE_LIMIT else "device"


def _on_device(plan: Plan) -> Inputs:
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


def _met(plan: Plan, skipped: Mapping[str, Collection[str]]) -> Mapping[str, Collection[str]]:
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


def _streaming(plan: Plan) -> Inputs:
    check_one_at_a_time(plan.feeding, "streams")
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


def _host_crop(plan: Plan) -> tuple[Crop, tuple[Call, ...]]:
    """Returns the crop that makes training squares on the host, and the augmentations that remain for the device."""
    if not plan.feeding.calls or plan.feeding.calls[0].name != _HOST_CROP:
        return plan.crop, plan.feeding.calls
    first, rest = plan.feeding.calls[0].arguments, plan.feeding.calls[1:]
    size, channels, decoder = first["size"] or plan.crop.size, plan.crop.channels, plan.feeding.decoder
    scale, ratio = tuple(first["scale"]), tuple(first["ratio"])
    return RandomResizedCrop(size, channels, scale, ratio, decoder, plan.crop.fit), rest

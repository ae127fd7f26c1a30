"""Pipelines over splits in memory."""

from collections.abc import Callable, Mapping
from typing import Any

import jax

from jaxcnn.data.feed.pipeline import DevicePipeline, Feed, Recipe
from jaxcnn.data.read.split import Split


def device_pipeline(
    splits: Mapping[str, Split], *, put: Callable[[Feed], Feed] = jax.device_put, **recipe: Any
) -> DevicePipeline:
    """The pipeline whose arrays `put` has moved, by a recipe without `examples`."""
    arrays = {name: {"image": split.image, "label": split.label} for name, split in splits.items()}
    return DevicePipeline(arrays=put(arrays), recipe=Recipe(examples=len(splits["train"].label), **recipe))

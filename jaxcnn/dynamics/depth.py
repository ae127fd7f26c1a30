"""The values of a net by depth, in training and in evaluation mode, with the same weights."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.data.read.records import Source
from jaxcnn.evaluation.channels import Channels, channels_of, dead_share, overall, together
from jaxcnn.evaluation.forward import batches_of
from jaxcnn.evaluation.layers import Layer
from jaxcnn.evaluation.subject import Subject
from jaxcnn.layers.mode import in_evaluation
from jaxcnn.layers.variables import loop_of
from jaxcnn.pictures.capture import Captured, capture
from jaxcnn.train.parts.frozen import Frozen
from jaxcnn.train.statistics import whole_and_without_dropout
from jaxcnn.types import Array, Variables

MODES = ("train", "eval")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Values:
    """What goes into and comes out of a layer in one mode."""

    mean_before: float
    variance_before: float
    mean: float
    variance: float
    """Behind the layer. Both are over all values; means of channels differ, so the variance holds theirs too."""
    dead: float
    """Share of the channels that go in and are 0 for all images."""


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Depth:
    """The values of a net by depth."""

    values: Mapping[str, Mapping[str, Values]]
    """By mode and path of the layer."""
    images: int
    batch: int
    """Images that share statistics in training mode."""
    difference: float
    """The largest difference of a logit between the modes."""
    first: Mapping[str, Array]
    """Of the first batch in training mode, what goes into each norm, by path."""


def by_depth(
    subject: Subject, layers: Sequence[Layer], source: Source, batch: int, frozen: Frozen, kept: str | None
) -> Depth:
    """Returns the values of the first net; dropout is off in both modes.

    Args:
        subject: the net.
        layers: that are looked at.
        source: of the images, mixed; a last batch that is not whole is left out.
        batch: number of images that share statistics in training mode.
        frozen: what of the net is frozen; such norms are in evaluation mode.
        kept: path of the layer whose input of the first batch is kept; None for none.
    """

    def looked(variables: Variables, image: Array, train: bool) -> Any:
        return _look(subject, layers, variables, image, train=train, frozen=frozen, kept=kept)

    program = jax.jit(looked, static_argnums=2)
    found: dict[str, list[Any]] = {mode: [] for mode in MODES}
    difference, images = 0.0, 0
    first: dict[str, Array] = {}
    for each in batches_of(source, subject.square, batch, what="layers"):
        if not each["mask"].all():
            continue
        looks = {mode: jax.device_get(program(subject.members[0], each["image"], mode == "train")) for mode in MODES}
        for mode in MODES:
            found[mode].append(looks[mode][1])
        difference = max(difference, float(np.max(np.abs(looks["train"][0] - looks["eval"][0]))))
        first = first or looks["train"][2]
        images += batch
    values = {mode: _values(layers, looks) for mode, looks in found.items()}
    return Depth(values=values, images=images, batch=batch, difference=difference, first=first)


def _look(
    subject: Subject,
    layers: Sequence[Layer],
    variables: Variables,
    image: Array,
    *,
    train: bool,
    frozen: Frozen,
    kept: str | None,
) -> tuple[Array, dict[str, tuple[Channels, Channels]], dict[str, Array]]:
    """Returns logits, the channels before and behind each layer, and the input of one."""
    with _modes(variables, frozen):
        found = capture(subject.model, variables, subject.whitened(image), train=train, inputs=True)
    there = [layer for layer in layers if layer.path in found.outputs and layer.path in found.inputs]
    channels = {layer.path: _channels(found, layer.path) for layer in there}
    return found.logits, channels, {kept: found.inputs[kept]} if kept and kept in found.inputs else {}


def _channels(found: Captured, path: str) -> tuple[Channels, Channels]:
    looped = bool(loop_of(path.split("/")))
    before, after = (channels_of(values[path], looped=looped) for values in (found.inputs, found.outputs))
    return before, after


@contextlib.contextmanager
def _modes(variables: Variables, frozen: Frozen) -> Iterator[None]:
    with whole_and_without_dropout(), contextlib.ExitStack() as stack:
        if frozen.pattern:
            stack.enter_context(in_evaluation(frozen.modules(variables)))
        yield


def _values(layers: Sequence[Layer], looks: Sequence[Mapping[str, tuple[Channels, Channels]]]) -> dict[str, Values]:
    found = {}
    for path in [layer.path for layer in layers if looks and layer.path in looks[0]]:
        before, after = (together([look[path][side] for look in looks]) for side in (0, 1))
        (mean_before, variance_before), (mean, variance) = overall(before), overall(after)
        found[path] = Values(
            mean_before=mean_before,
            variance_before=variance_before,
            mean=mean,
            variance=variance,
            dead=dead_share(before),
        )
    return found


def host(values: Array) -> np.ndarray:
    """Returns an array of any float dtype as float32 of NumPy."""
    return np.asarray(jnp.asarray(values).astype(jnp.float32))

"""What is told of weights besides their names and numbers, by whoever wrote them: the net, its images, its classes.

The weights may be a file of `jaxcnn export --format torch`, with its card beside it, or published ones with timm's
config.json (`jaxcnn.interop.published`). Of any other file nothing is told.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jaxcnn.data.read.predicting import for_predicting
from jaxcnn.errors import UserError
from jaxcnn.interop.advice import as_options
from jaxcnn.interop.own_file import card_beside
from jaxcnn.interop.published.config import Described, read_config
from jaxcnn.interop.published.counterparts import counterpart
from jaxcnn.interop.published.files import find_description, find_weights
from jaxcnn.interop.published.hub import HubName
from jaxcnn.interop.reference import make_reference
from jaxcnn.interop.weights import expected_variables
from jaxcnn.models import model_variant
from jaxcnn.models.described import plain


@dataclasses.dataclass(frozen=True)
class Told:
    """A file of weights, and what is told of it."""

    file: Path
    by: str = ""
    """Who tells it, for messages; "" if nothing is told."""
    fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Of `create_model`, with `num_classes` if that is told."""
    known: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """`class_names` and `preprocessing`, as of `jaxcnn.data.read.predicting.for_predicting`; {} if not told."""
    origin: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """For `model.json`: the repository and its commit."""
    remarks: tuple[str, ...] = ()
    """One sentence for each decision that was made for the user."""

    def fields_with(self, model: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the fields of the net: those that are told, and those that were asked for.

        Args:
            model: our name of the net, as it was asked for.
            asked: its fields, likewise.

        Raises:
            UserError: if both do not agree.
        """
        fields = self.agreed(asked)
        self._check_size(model, fields)
        return fields

    def agreed(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the fields that are told, and those that were asked for; raises if both do not agree."""
        other = [name for name, value in asked.items() if plain(self.fields.get(name, value)) != plain(value)]
        if other:
            options = " ".join(as_options({name: self.fields[name] for name in other}))
            raise UserError(f"{self.by} says {options}: leave other values out")
        return {**self.fields, **asked}

    def _check_size(self, model: str, fields: Mapping[str, Any]) -> None:
        """Raises where a net for images of the size that is told has other variables than the paper's."""
        size = self.known["preprocessing"]["image_size"] if self.known else None
        variant = model_variant(model)
        if size in (None, variant.image_size):
            return
        net = make_reference(model, fields).model
        papers, told = (
            jax.tree.map(jnp.shape, expected_variables(net, (side, side, variant.channels)))
            for side in (variant.image_size, size)
        )
        if papers != told:
            raise UserError(f"{model} takes images of {variant.image_size} px here, and {self.by} says {size} px")


def told_of(place: Path | HubName, model: str) -> Told:
    """Returns the file of weights that a place names, and what is told of it.

    Args:
        place: the file, or a folder or repository.
        model: our name of the net, as it was asked for.

    Raises:
        UserError: for a folder or repository without weights that are described as timm does, or weights that are told
            to be of another net.
    """
    model_variant(model)
    if isinstance(place, HubName) or place.is_dir():
        return _of_published(place, model)
    card = card_beside(place)
    return Told(place) if card is None else _of_card(place, card, model)


def model_of(description: Path) -> str:
    """Returns our name of the net that timm's config.json describes; raises `UserError` if it is none of ours."""
    described = read_config(description)
    return counterpart(described.architecture, described.arguments).model


def _check_model(by: str, told: str, fields: Mapping[str, Any], model: str) -> None:
    """Raises for weights that are told to be of another net than the one that was asked for.

    Args:
        by: who tells it.
        told: our name of the net.
        fields: of the net, for the message.
        model: the name that was asked for.
    """
    if told != model:
        raise UserError(f"{by} says that the weights are of {' '.join([told, *as_options(fields)])}, not of {model}")


def _of_card(file: Path, card: Mapping[str, Any], model: str) -> Told:
    """Returns what the card beside an exported state dict says."""
    by, fields = f"{file.name}.json, beside {file},", {**card["fields"], "num_classes": card["num_classes"]}
    _check_model(by, card["model"], fields, model)
    return Told(
        file=file,
        by=by,
        fields=fields,
        known={name: card[name] for name in ("class_names", "preprocessing")},
        remarks=(f"{file.name}.json says what the weights are of",),
    )


def _of_published(place: Path | HubName, model: str) -> Told:
    """Returns what config.json says. Weights are downloaded only if they are of the net that was asked for."""
    description = find_description(place)
    described = read_config(description)
    found = counterpart(described.architecture, described.arguments)
    classes = {} if described.num_classes is None else {"num_classes": described.num_classes}
    by = f"the {description.name} of {place}, of timm's {described.architecture},"
    fields = {**found.fields, **classes}
    _check_model(by, found.model, fields, model)
    known = _predicting(described, model_variant(model).channels)
    published = find_weights(place, description)
    options = " ".join([found.model, *as_options(found.fields)])
    return Told(
        file=published.weights,
        by=by,
        fields=fields,
        known=known,
        origin={**published.origin, "architecture": described.architecture},
        remarks=(published.remark, f"timm's {described.architecture} is {options} here", *described.remarks),
    )


def _predicting(described: Described, channels: int) -> dict[str, Any]:
    if described.channels != channels:
        raise UserError(
            f"timm's {described.architecture} takes images of {described.channels} channels, ours {channels}"
        )
    return for_predicting(
        described.class_names,
        image_size=described.image_size,
        channels=channels,
        mean=described.mean,
        std=described.std,
        statistics="of timm's config.json",
        fit=described.fit,
        crop_fraction=described.crop_fraction,
        filter=described.filter,
    )

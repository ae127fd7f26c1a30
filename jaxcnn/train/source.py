"""Trained weights to begin from: a run, imported weights, or what a program hands over; how images then become input.

Of a run the best checkpoint is taken, by its first seed, and its moving average where it kept one.
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from flax.core import FrozenDict, unfreeze

from jaxcnn.addresses import bucket_address
from jaxcnn.data.feed.given import Batches
from jaxcnn.data.read.dataset import Dataset
from jaxcnn.data.read.predicting import resampling_of
from jaxcnn.errors import UserError
from jaxcnn.interop.named import folder_of
from jaxcnn.interop.weights import load_variables, read_card
from jaxcnn.layers.variables import by_path
from jaxcnn.models import over_axis
from jaxcnn.models.described import fields_of
from jaxcnn.parts import part_name
from jaxcnn.train.devices import hosts
from jaxcnn.train.feeding import Feeding
from jaxcnn.train.files.checksums import checksums
from jaxcnn.train.given import Parts
from jaxcnn.train.load import holds_run, read_run
from jaxcnn.train.loaded import LoadedRun
from jaxcnn.train.misfits import NetFacts, check_channels
from jaxcnn.train.run import Init
from jaxcnn.train.seeds import abstract_one_of
from jaxcnn.train.settings import Settings
from jaxcnn.train.transfer import Transfer, Weights, transferred
from jaxcnn.types import Variables

OF_WEIGHTS = "of the weights"
"""Where mean and deviation come from, in the run card."""


def open_weights(what: Any) -> Weights:
    """Returns trained weights; every process reads them.

    Args:
        what: a run folder, here or in a bucket; a folder that `jaxcnn import-weights` wrote; published weights by name,
            `hf:OWNER/NAME`; a `LoadedRun`; or a tree of variables.

    Raises:
        UserError: for anything else, or what cannot be read.
    """
    if isinstance(what, str | os.PathLike):
        place = hosts.together(lambda: folder_of(what))
        is_run = hosts.together(lambda: holds_run(place))
        return _of_folder(place) if is_run else _of_imported(place, str(what))
    if isinstance(what, LoadedRun):
        return _of_run(what.folder or "a LoadedRun", what.card, what.variables, {"step": what.step})
    if isinstance(what, Mapping) and "params" in what:
        return _made(NetFacts(name="the variables"), what, None, {"source": "variables handed over in Python"})
    found = "a dictionary without params" if isinstance(what, Mapping) else part_name(what)
    raise UserError(
        f"init_from is {found}: it must be a run folder, a folder of imported weights, what jaxcnn.load_run returns, "
        "or variables {'params': ...}"
    )


def weights_of(settings: Settings, parts: Parts, dataset: Dataset | Batches) -> Weights | None:
    """Returns the trained weights that a run begins from, or None. They must be for images as the data have them."""
    given = parts.get("init_from")
    what = settings.init_from if given is None else given
    if what is None and settings.init_head != "auto":
        raise UserError(f"init_head is {settings.init_head}: it goes with init_from, which names trained weights")
    if what is None:
        return None
    weights = open_weights(what)
    asked = settings.feeding.channels
    if isinstance(dataset, Dataset) and (asked or dataset.shape[0] is not None):
        check_channels(weights.net, dataset.name, asked or dataset.shape[-1])
    return weights


def transfer_of(
    settings: Settings,
    weights: Weights,
    dataset: Dataset | Batches,
    model: nn.Module,
    init_state: Init,
    image_shape: tuple[int, int, int],
    *,
    preprocessing: Mapping[str, Any],
    remarks: Sequence[str],
) -> Transfer:
    """Returns what becomes of trained weights in the net; raises `UserError` where they do not fit it.

    Args:
        settings: of the run.
        weights: to begin from.
        dataset: of the run.
        model: likewise.
        init_state: likewise.
        image_shape: (height, width, channels).
        preprocessing: what of it follows the weights.
        remarks: what is said of that.
    """
    own = abstract_one_of(jax.eval_shape(init_state).variables, settings.num_seeds)
    net = described(settings.feeding.model, model, dataset.class_names, image_shape)
    return transferred(weights, net, model, own, head=settings.init_head, preprocessing=preprocessing, remarks=remarks)


def described(name: str, model: nn.Module, class_names: Sequence[str], image_shape: tuple[int, int, int]) -> NetFacts:
    """Returns what is known of the net of a run.

    Args:
        name: of the model.
        model: the net.
        class_names: by label.
        image_shape: (height, width, channels) of training images.
    """
    fields = {"class": type(model).__name__, **fields_of(over_axis(model, None))}
    return NetFacts(name=name, model=name, fields=fields, class_names=tuple(class_names), image_shape=image_shape)


def followed(feeding: Feeding, weights: Weights, data: Dataset | Batches) -> tuple[dict[str, Any], list[str]]:
    """Returns what of the preprocessing follows the weights, by the keys of `config.data`, and sentences about it.

    A key that the config sets does not follow them.

    Args:
        feeding: of the run.
        weights: that it begins from.
        data: of the run.
    """
    known = weights.preprocessing
    if isinstance(data, Batches):
        return {}, ["the data make their own batches: their preprocessing is their own, and not that of the weights"]
    if known is None:
        return {}, ["how the images of the weights were preprocessed is not known: it is done as without them"]
    taken: dict[str, Any] = {}
    if feeding.image_size is None:
        taken["image_size"] = known["image_size"]
    if feeding.crop_fraction is None and known["fit"] == feeding.fit:
        taken["crop_fraction"] = known["crop_fraction"]
    if feeding.channels is None and data.shape[0] is None and known["channels"] != data.shape[-1]:
        taken["channels"] = known["channels"]
    if feeding.filter is None:
        taken["filter"] = resampling_of(known)
    if not feeding.mean and known["mean"] is not None:
        taken |= {"mean": list(known["mean"]), "std": list(known["std"])}
    told = ", ".join(f"data.{key} {_told(value)}" for key, value in taken.items())
    remarks = [f"images are preprocessed as the weights' were: {told}"] if told else []
    if known["mean"] is None:
        remarks.append("how the images of the weights were whitened is not known: mean and deviation are the data's")
    if known["fit"] != feeding.fit:
        remarks.append(f"data.fit is {feeding.fit}: the images of the weights were made squares by {known['fit']}")
    return taken, remarks


def following(feeding: Feeding, taken: Mapping[str, Any]) -> Feeding:
    """Returns the feeding with what `followed` has taken from the weights."""
    if not taken:
        return feeding
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in taken.items()}
    if "mean" in values:
        values["statistics"] = OF_WEIGHTS
    return dataclasses.replace(feeding, **values)


def _of_folder(what: str | os.PathLike[str]) -> Weights:
    card, _, variables, step, _ = read_run(what)
    name = bucket_address("init_from", what) or str(Path(what).expanduser().absolute())
    return _of_run(name, card, variables, {"step": step})


def _of_run(name: str, card: Mapping[str, Any], variables: Variables, facts: Mapping[str, Any]) -> Weights:
    data, seeds = card["data"], card["seeds"]
    net = NetFacts(
        name=name,
        model=card.get("given", {}).get("model", card["config"]["model"]["name"]),
        fields=card.get("resolved", {}).get("model", {}),
        class_names=tuple(data["class_names"]),
        image_shape=tuple(card["image_shape"]),
    )
    seed = {"seed": seeds[0]} if len(seeds) > 1 else {}
    return _made(net, variables, data.get("preprocessing"), {"source": name, "model": net.model, **facts, **seed})


def _of_imported(what: str | os.PathLike[str], name: str) -> Weights:
    card = read_card(what)
    model, variables = load_variables(what)
    net = NetFacts(
        name=name,
        model=card["model"],
        fields={"class": type(model).__name__, **fields_of(model)},
        class_names=tuple(card.get("class_names") or ()),
        image_shape=(card["image_size"], card["image_size"], card["channels"]),
    )
    facts = {"source": str(Path(what).expanduser().absolute()), "model": net.model}
    return _made(net, variables, card.get("preprocessing"), facts | {"sha256": card.get("source", {}).get("sha256")})


def _made(
    net: NetFacts, variables: Variables, preprocessing: Mapping[str, Any] | None, facts: Mapping[str, Any]
) -> Weights:
    plain = unfreeze(variables) if isinstance(variables, FrozenDict) else dict(variables)
    arrays = {path: np.asarray(leaf) for path, leaf in by_path(jax.device_get(plain)).items()}
    digest = hashlib.sha256(json.dumps(sorted(checksums(arrays).items())).encode()).hexdigest()[:16]
    return Weights(net=net, arrays=arrays, preprocessing=preprocessing, facts={**facts, "checksum": digest})


def _told(value: Any) -> str:
    if isinstance(value, list):
        return "(" + ", ".join(f"{each:.4g}" for each in value) + ")"
    return f"{value:.4g}" if isinstance(value, float) else str(value)

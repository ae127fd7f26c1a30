"""What is evaluated: a trained net with its weights, and what it takes to show it images. No data set is opened."""

import contextlib
import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import flax.linen as nn
from ml_collections import ConfigDict

from jaxcnn.data.catalog import CATALOG
from jaxcnn.data.feed.preparation import Preparation
from jaxcnn.errors import UserError
from jaxcnn.interop.named import folder_of
from jaxcnn.interop.preprocessing import read_class_names
from jaxcnn.interop.weights import CARD, load_variables, read_card
from jaxcnn.train.files.fetch import run_here
from jaxcnn.train.files.predictions import Predictions, kept_file, load_predictions
from jaxcnn.train.load import AVERAGED, holds_run, load_run
from jaxcnn.types import Variables


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Subject(Preparation):
    """A trained net, or several that were trained alike with different seeds."""

    name: str
    """The folder, as the user named it."""
    model: nn.Module
    """Called as `model.apply(variables, image, train=False)`."""
    members: tuple[Variables, ...]
    """The variables of each net."""
    seeds: tuple[int, ...] = ()
    """The seed of each net of a run; empty for imported weights."""
    class_names: tuple[str, ...]
    """By label."""
    class_ids: tuple[str, ...] = ()
    """Other names of the classes, such as WordNet ids; empty if there are none."""
    given_data: bool = False
    """Whether the run was given its data in Python."""
    views: str = ""
    """Views of each image, whose probabilities are averaged; see `jaxcnn.augment.views`."""
    independent: bool = False
    """Whether the classes of an image are independent of each other, as under binary losses."""
    step: int | None = None
    """Of the checkpoint; None for imported weights."""
    states: int = 1
    """Number of states of a run that the parameters are the mean of: above 1 for the averaged net."""
    config: ConfigDict | None = None
    """Of the run; None for imported weights."""
    kept: Mapping[str, Predictions] = dataclasses.field(default_factory=dict)
    """By split, the predictions that the run has kept of this step, if they were asked for."""

    def of_seed(self, seed: int | None) -> "Subject":
        """Returns one of the nets alone: that of a seed; None: the first.

        Raises:
            UserError: for a seed that is none of the run's.
        """
        if seed is not None and seed not in self.seeds:
            there = f"the seeds {', '.join(map(str, self.seeds))}" if self.seeds else "no seeds"
            raise UserError(f"seed is {seed}: {self.name} has {there}")
        place = 0 if seed is None else self.seeds.index(seed)
        one = slice(place, place + 1)
        return dataclasses.replace(self, members=self.members[one], seeds=self.seeds[one])


def open_subject(
    what: str | os.PathLike[str],
    *,
    step: int | str = "latest",
    model: Any | None = None,
    class_names: Sequence[str] | os.PathLike[str] | None = None,
    splits: Sequence[str] = (),
    place: Path | None = None,
) -> Subject:
    """Returns the net of a run folder, or of a folder of imported weights.

    Args:
        what: a run folder, here or at gs:// or s3://; a folder that `jaxcnn import-weights` wrote; or published
            weights by name, `hf:OWNER/NAME`.
        step: of a run, as in `jaxcnn.load_run`.
        model: as of `jaxcnn.load_run`, for a run that was given its model in Python.
        class_names: by label, or a file of them, in place of those that are known.
        splits: whose predictions are read, if the run has kept them.
        place: the folder of a run on this machine, if it is fetched already.

    Raises:
        UserError: for anything else, weights whose preprocessing is not known, or another number of class names.
    """
    named = folder_of(what) if place is None else what
    if place or holds_run(named):
        found = _of_run(named, place, step, model, splits)
    else:
        found = dataclasses.replace(_of_weights(named), name=str(what))
    return _named(found, class_names) if class_names is not None else found


def is_subject(path: str | os.PathLike[str]) -> bool:
    """Returns whether a folder of this machine is a run, or imported weights."""
    return any((Path(path) / name).is_file() for name in ("config.json", CARD))


def _of_run(
    what: str | os.PathLike[str], fetched: Path | None, step: int | str, model: Any | None, splits: Sequence[str]
) -> Subject:
    with contextlib.nullcontext(fetched) if fetched else run_here(what) as place:
        if not (place / "config.json").is_file():
            raise UserError(f"{what} holds no run: there is no config.json in it")
        first = load_run(place, step, model=model)
        seeds = tuple(first.card["seeds"])
        averaged = step == AVERAGED
        again = step if averaged else first.step
        rest = [load_run(place, again, model=model, seed=seed).variables for seed in seeds[1:]]
        files = {split: kept_file(place, split, averaged=averaged) for split in splits}
        kept = {split: load_predictions(file) for split, file in files.items() if file.is_file()}
    data = first.card["data"]
    if data.get("preprocessing") is None:
        raise UserError(f"the data of {what} made their own batches: how an image becomes one is unknown")
    return Subject(
        name=str(what),
        model=first.model,
        members=(first.variables, *rest),
        seeds=seeds,
        class_names=padded(data["class_names"], first.config.model.num_classes),
        preprocessing=data["preprocessing"],
        data=data,
        given_data="data" in first.card.get("given", {}),
        views=first.config.eval_views,
        independent=first.config.loss.name == "binary",
        step=first.step,
        states=first.states,
        config=first.config,
        kept={split: each for split, each in kept.items() if each.step == first.step},
    )


def padded(class_names: Sequence[str], outputs: int | None) -> tuple[str, ...]:
    """Returns a name for every output of a net; it may have more of them than its data have classes."""
    return (*class_names, *(f"output {number}" for number in range(len(class_names), outputs or 0)))


def _of_weights(what: str | os.PathLike[str]) -> Subject:
    card = read_card(what)
    model, variables = load_variables(what)
    known = card.get("preprocessing") or {}
    if known.get("mean") is None:
        raise UserError(f"how images are whitened for {what} is not known: import the weights with --mean and --std")
    names = tuple(card.get("class_names") or map(str, range(card["num_classes"])))
    ids = CATALOG["imagenet"].class_ids if names == CATALOG["imagenet"].class_names else ()
    return Subject(
        name=str(what), model=model, members=(variables,), class_names=names, class_ids=ids, preprocessing=known
    )


def _named(subject: Subject, class_names: Sequence[str] | os.PathLike[str]) -> Subject:
    count = len(subject.class_names)
    if isinstance(class_names, os.PathLike):
        class_names = read_class_names(Path(class_names), count)
    if len(class_names) != count:
        raise UserError(f"there are {len(class_names)} class names, and the net has {count} outputs")
    return dataclasses.replace(subject, class_names=tuple(class_names), class_ids=())

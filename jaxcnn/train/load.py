"""A run as it was trained, to predict with or to go on from: its net, weights and card. No data set is opened."""

import contextlib
import dataclasses
import functools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from jaxcnn.addresses import bucket_address
from jaxcnn.augment.views import over_views, parse_views
from jaxcnn.config.check import frozen
from jaxcnn.config.file import load_json
from jaxcnn.data.feed.preparation import Preparation
from jaxcnn.data.read.decode import Encoded, UnreadableError
from jaxcnn.errors import UserError
from jaxcnn.interop.weights import CARD
from jaxcnn.layers.variables import abstract_variables, by_path
from jaxcnn.models import list_models, over_axis
from jaxcnn.train.files.average import load_average
from jaxcnn.train.files.checkpoint import Checkpoints
from jaxcnn.train.files.fetch import run_here
from jaxcnn.train.files.folder import RunFolder, read_card
from jaxcnn.train.files.reading import rank
from jaxcnn.train.files.relay import open_checkpoints
from jaxcnn.train.net import make_model
from jaxcnn.train.settings import ModelSettings, model_settings
from jaxcnn.types import Array, Variables

AVERAGED = "swa"
"""What asks for the averaged net, in place of a step."""
_WEIGHTS = ("params", "collections", "batch_stats", "ema")
"""Parts of a state that a net is applied with, `batch_stats` of one from before there were `collections`."""


@dataclasses.dataclass(frozen=True, eq=False)
class LoadedRun:
    """What `load_run` gives: `model, variables, card = load_run(...)`, or by name."""

    model: nn.Module
    """Called as `model.apply(variables, image, train=False)`."""
    variables: Variables
    """What the run evaluated: the moving average where it kept one."""
    card: Mapping[str, Any]
    """run.json."""
    config: ConfigDict
    """Of the run."""
    step: int
    """Of the checkpoint, or that at which the average was complete."""
    folder: str = ""
    """Of the run, or its address."""
    states: int = 1
    """Number of states of the run that the parameters are the mean of: above 1 for the averaged net."""

    def __iter__(self) -> Iterator[Any]:
        return iter((self.model, self.variables, self.card))

    def predict(self, image: str | os.PathLike[str] | np.ndarray) -> dict[str, float]:
        """Returns the probability of each class by its name, the most likely first.

        The image is made a square, whitened and looked at in the views that the run evaluates by. Of a run on `binary`
        losses the probabilities are of each class alone, and have no sum.

        Args:
            image: path of an image file, or pixels, uint8 (height, width[, 1 or 3]).

        Raises:
            UserError: for what is no image, or a run whose data made their own batches.
        """
        shares = jax.device_get(self._forward(self.variables, self.prepare(image)))[0]
        named = zip(self.card["data"]["class_names"], shares.tolist(), strict=False)
        return dict(sorted(named, key=lambda pair: -pair[1]))

    def prepare(self, image: str | os.PathLike[str] | np.ndarray) -> Array:
        """Returns what the net is given of an image, (1, height, width, channels) float32; as `predict`."""
        preparation = self.preparation
        square = preparation.square
        pixels = np.empty((square.size, square.size, square.channels), np.uint8)
        try:
            square(_encoded(preparation, image), (), pixels)
        except UnreadableError as error:
            what = f"an array of {image.dtype} {image.shape}" if isinstance(image, np.ndarray) else image
            raise UserError(f"{what} is no image that can be read: {error}") from None
        return preparation.whitened(pixels[None])

    @property
    def preparation(self) -> Preparation:
        """How an image becomes the input; raises `UserError` for a run whose data made their own batches."""
        data = self.card["data"]
        if data.get("preprocessing") is None:
            raise UserError("the data of this run made their own batches: how an image becomes one is unknown")
        return Preparation(preprocessing=data["preprocessing"], data=data)

    @functools.cached_property
    def _forward(self) -> Callable[[Variables, Array], Array]:
        apply_fn = over_views(self.model.apply, parse_views(self.config.eval_views))
        shares = jax.nn.sigmoid if self.config.loss.name == "binary" else jax.nn.softmax
        return jax.jit(lambda variables, image: shares(apply_fn(variables, image, train=False)))


def _encoded(preparation: Preparation, image: str | os.PathLike[str] | np.ndarray) -> Encoded:
    """Returns an image as it is decoded; raises `UserError` for an array or a file that is none."""
    if isinstance(image, np.ndarray):
        pixels = image[..., None] if image.ndim == 2 else image
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[-1] not in (1, 3):
            raise UserError(
                f"the image is {image.dtype} {image.shape}: it must be uint8 (height, width[, 1 or 3]), 0 to 255"
            )
        return pixels
    try:
        return preparation.encoded(Path(image).expanduser().read_bytes())
    except OSError as error:
        raise UserError(f"{image} cannot be read: {error.strerror}") from None


def holds_run(what: str | os.PathLike[str]) -> bool:
    """Returns whether a folder holds a run, and not imported weights; one in a bucket always does.

    Raises:
        UserError: if it holds neither.
    """
    folder = Path(what).expanduser()
    if bucket_address("RUN", what) or (folder / "config.json").is_file():
        return True
    if (folder / CARD).is_file():
        return False
    if str(what) in list_models():
        raise UserError(
            f"{what} is a net without weights: name a run folder, or a folder that `jaxcnn import-weights {what} FILE "
            "--output DIR` wrote"
        )
    raise UserError(f"{what} is neither a run (with config.json) nor imported weights (with {CARD})")


def load_run(
    workdir: str | os.PathLike[str],
    step: int | str = "best",
    *,
    model: Any | None = None,
    seed: int | None = None,
) -> LoadedRun:
    """Returns the net of a run folder, its weights at a step and its card; no data are opened.

    Args:
        workdir: the run folder, here or at gs:// or s3://; it may have been copied from elsewhere.
        step: "best", the checkpoint with the best validation; "latest"; the number of a step that has a checkpoint; or
            "swa", the net that stochastic weight averaging left, which is never among "best".
        model: as of `make_run`, for a run that was given one in Python.
        seed: which of the nets of a run of several seeds; None: that of the first seed.

    Raises:
        UserError: for a folder that holds no run, a step that has no checkpoint, a checkpoint that is damaged, or a
            model that it does not fit, in one line.
    """
    card, config, variables, chosen, states = read_run(workdir, step, seed=seed)
    net = _model(model_settings(frozen(config)), card, model)
    _check_fit(net, variables, card)
    where = bucket_address("the run folder", workdir) or str(Path(workdir).expanduser().absolute())
    return LoadedRun(net, jax.tree.map(jnp.asarray, variables), card, config, chosen, where, states)


def read_run(
    workdir: str | os.PathLike[str], step: int | str = "best", *, seed: int | None = None
) -> tuple[dict[str, Any], ConfigDict, dict[str, Any], int, int]:
    """Returns what `load_run` reads: card, config, variables of NumPy, step and number of states. No net is made.

    Args:
        workdir: as of `load_run`.
        step: likewise.
        seed: likewise.

    Raises:
        UserError: as `load_run`.
    """
    with _opened(workdir) as folder:
        config, card = load_json(folder.config)[0], read_card(folder.card)
        saved, chosen, states = _averaged(folder) if step == AVERAGED else _saved(folder, step)
    return card, config, _one(saved, card["seeds"], seed), chosen, states


def _averaged(folder: RunFolder) -> tuple[dict[str, Any], int, int]:
    """Returns variables, step and number of states of the averaged net."""
    if not folder.average.is_file():
        raise UserError(f"{folder.path} has no averaged net: a run with swa.start has one once it is finished")
    found = load_average(folder.average)
    return dict(found.variables), found.step, found.states


def _saved(folder: RunFolder, step: int | str) -> tuple[dict[str, Any], int, int]:
    """Returns variables, step and number of states of a checkpoint."""
    with open_checkpoints(folder, read_only=True) as checkpoints:
        chosen = _step(checkpoints, step, str(folder.path))
        return _variables(checkpoints.read(chosen, _WEIGHTS)), chosen, 1


def described_run(workdir: str | os.PathLike[str], *, model: Any | None = None) -> tuple[nn.Module, Mapping[str, Any]]:
    """Returns the net and the card of a run folder. No checkpoint is read, and there may be none.

    Args:
        workdir: the run folder, here or at gs:// or s3://.
        model: as of `make_run`, for a run that was given one in Python.

    Raises:
        UserError: for a folder that holds no run, or a run that needs its `model`.
    """
    with _opened(workdir) as folder:
        config, card = load_json(folder.config)[0], read_card(folder.card)
    return _model(model_settings(frozen(config)), card, model), card


@contextlib.contextmanager
def _opened(workdir: str | os.PathLike[str]) -> Iterator[RunFolder]:
    """Gives the folder of a run, or its copy where it is in a bucket."""
    with run_here(workdir) as place:
        if not (place / "config.json").is_file():
            raise UserError(f"{workdir} holds no run: there is no config.json in it")
        yield RunFolder(workdir, make=False, copy=place)


def _model(settings: ModelSettings, card: Mapping[str, Any], own: Any | None) -> nn.Module:
    name = card.get("given", {}).get("model")
    if name and own is None:
        raise UserError(f"this run was given its model in Python, {name}: load_run(..., model=...) needs it too")
    return over_axis(make_model(settings, settings.num_classes or card["data"]["classes"], own), None)


def _step(checkpoints: Checkpoints, asked: int | str, where: str) -> int:
    """Returns the step that is asked for; raises `UserError` where it has no checkpoint."""
    steps = checkpoints.steps()
    if not steps:
        raise UserError(f"{where} has no checkpoint")
    if asked == "latest":
        return steps[-1]
    if asked == "best":
        return max(steps, key=lambda step: rank(step, checkpoints.score(step)))
    if asked not in steps or isinstance(asked, str):
        raise UserError(f"step is {asked!r}: {where} has best, latest and {', '.join(map(str, steps))}")
    return asked


def _variables(state: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a net is applied with, of a checkpoint that was written by this or an earlier version."""
    if state["ema"] is not None:
        return {name: tree for name, tree in state["ema"].items() if tree}
    kept = state.get("collections", {"batch_stats": state.get("batch_stats")})
    return {"params": state["params"], **{name: tree for name, tree in (kept or {}).items() if tree}}


def _one(variables: dict[str, Any], seeds: Sequence[int], asked: int | None) -> dict[str, Any]:
    """Returns the variables of one of several nets."""
    if asked is not None and asked not in seeds:
        raise UserError(f"seed is {asked}: this run has the seeds {', '.join(map(str, seeds))}")
    number = 0 if asked is None else list(seeds).index(asked)
    return jax.tree.map(lambda leaf: leaf[number], variables) if len(seeds) > 1 else variables


def _check_fit(model: nn.Module, variables: Variables, card: Mapping[str, Any]) -> None:
    """Raises `UserError` where the weights are not those of the model."""
    wanted, found = (
        {path: leaf.shape for path, leaf in by_path(tree).items()}
        for tree in (abstract_variables(model, tuple(card["image_shape"])), variables)
    )
    differ = sorted(path for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path))
    if differ:
        path = differ[0]
        raise UserError(
            f"the model does not fit the weights: {path} is {found.get(path)}, and should be {wanted.get(path)}"
        )

"""A run as it was trained, to predict with or to go on from: its net, weights and card. No data set is opened."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from jaxcnn.addresses import bucket_address
from jaxcnn.config.check import frozen
from jaxcnn.config.file import load_json
from jaxcnn.errors import UserError
from jaxcnn.interop.published.hub import hub_name
from jaxcnn.interop.weights import CARD
from jaxcnn.layers.variables import abstract_variables, by_path
from jaxcnn.models import list_models, over_axis
from jaxcnn.train.files.average import load_average
from jaxcnn.train.files.checkpoint import Checkpoints
from jaxcnn.train.files.fetch import run_here
from jaxcnn.train.files.folder import RunFolder, read_card
from jaxcnn.train.files.reading import rank
from jaxcnn.train.files.relay import open_checkpoints
from jaxcnn.train.given import OF_NET, Parts
from jaxcnn.train.loaded import LoadedRun
from jaxcnn.train.net import make_model
from jaxcnn.train.settings import ModelSettings, model_settings
from jaxcnn.types import Variables

AVERAGED = "swa"
"""What asks for the averaged net, in place of a step."""
_WEIGHTS = ("params", "collections", "batch_stats", "ema")
"""Parts of a state that a net is applied with, `batch_stats` of one from before there were `collections`."""


def holds_run(what: str | os.PathLike[str]) -> bool:
    """Returns whether a folder holds a run, and not imported weights; a bucket always does, and `hf:OWNER/NAME` never.

    Raises:
        UserError: if it holds neither.
    """
    folder = Path(what).expanduser()
    if bucket_address("RUN", what) or (folder / "config.json").is_file():
        return True
    if (folder / CARD).is_file() or hub_name(str(what)):
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
        model: as of `make_run`, for a run that was given one in Python, or a norm or an activation, with these in it.
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
        model: as of `make_run`, for a run that was given one in Python, or a norm or an activation, with these in it.

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
    given = {part: name for part, name in card.get("given", {}).items() if part in OF_NET}
    if given and own is None:
        which = " and ".join(f"{part}, {name}" for part, name in given.items())
        words = ", ".join(f"{part}=..." for part in given)
        how = "model=..." if "model" in given else f"model=jaxcnn.create_model(..., {words})"
        raise UserError(f"this run was given in Python its {which}: load_run(..., {how}) needs it too")
    if given and "model" not in given and isinstance(own, nn.Module):
        return over_axis(own, None)  # the config's words for the net are in it
    parts: Parts = {"model": own}
    return over_axis(make_model(settings, settings.num_classes or card["data"]["classes"], parts), None)


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
